//! axum's own server with Hottap's layer: a greeter until Ctrl-C. The plugin dir is `HOTTAP_PLUGINS`, the admin API's
//! address `HOTTAP_ADMIN`.

use std::time::Duration;

use anyhow::Context;
use axum::extract::Path;
use axum::routing::get;
use axum::{Extension, Router};
use hottap::rpc::RpcHandle;
use hottap::{BusinessStatus, Hottap};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Hottap names here what it loads and what it refuses.
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    let tap = Hottap::builder().service("greeter").start().context("cannot start Hottap")?;
    let listener = TcpListener::bind("127.0.0.1:8080").await.context("port 8080 is not to be had")?;
    tracing::info!(address = %listener.local_addr()?, "curl -s localhost:8080/hello/world");
    let stop = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, router(&tap)).with_graceful_shutdown(stop).await.context("the server failed")?;
    // What the tracers have gathered is handed over; it blocks, so not on a thread of tokio's.
    tokio::task::spawn_blocking(move || tap.shutdown(Duration::from_secs(5))).await?;
    Ok(())
}

/// The layer goes on last: what is added before it is traced, with the route that axum matched.
fn router(tap: &Hottap) -> Router {
    Router::new().route("/hello/{name}", get(hello)).layer(tap.server_layer())
}

/// Says of its call what only it knows.
async fn hello(Extension(rpc): Extension<RpcHandle>, Path(name): Path<String>) -> (Extension<BusinessStatus>, String) {
    rpc.set_tag("language", "en");
    // 0 is success; the call of a stranger succeeds as well, and tracers see that nobody was greeted.
    if name == "stranger" {
        return (Extension(BusinessStatus::new(1, "not known here")), "who are you?\n".to_owned());
    }
    (Extension(BusinessStatus::new(0, "")), format!("hello, {name}\n"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use axum::http::Request;
    use hottap::rpc::{Outcome, RpcInfo};
    use hottap::{CallContext, Tracer};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    /// Keeps what it is told.
    #[derive(Clone, Default)]
    struct Keeper(Arc<Mutex<Vec<RpcInfo>>>);

    impl Tracer for Keeper {
        fn start(&self, _: &mut CallContext) {}

        fn finish(&self, call: &CallContext) {
            self.0.lock().expect("not poisoned").push(call.info().clone());
        }
    }

    #[tokio::test]
    async fn a_greeting_is_traced_with_its_route_and_what_the_handler_says() {
        let keeper = Keeper::default();
        let tap = Hottap::builder().tracer(keeper.clone()).start().expect("starts");
        for (name, answer) in [("world", "hello, world\n"), ("stranger", "who are you?\n")] {
            let request = Request::get(format!("/hello/{name}")).body(Body::empty()).expect("a request");
            let response = router(&tap).oneshot(request).await.expect("answers");
            assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), answer);
        }
        let seen = keeper.0.lock().expect("not poisoned").clone();
        let told = |info: &RpcInfo| (info.invocation().method().as_str().to_owned(), info.stats().outcome());
        let method = "GET /hello/{name}".to_owned();
        let expected = [(method.clone(), Outcome::Ok), (method, Outcome::BusinessError)];
        assert_eq!(seen.iter().map(told).collect::<Vec<_>>(), expected);
        assert!(seen.iter().all(|info| info.tags().get("language") == Some("en")));
    }
}
