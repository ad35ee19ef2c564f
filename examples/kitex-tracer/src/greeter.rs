//! A greeter and its client over HTTP on a loopback port, each with its tracers.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, ensure};
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use bytes::Bytes;
use hottap::{ClientService, Hottap, RequestBody, Route};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::client_tracer::ClientTracer;
use crate::my_tracer::MyTracer;
use crate::report::Report;

const HELLO: Route = Route::new("/hello/{name}");
const GOODBYE: Route = Route::new("/goodbye/{name}");

type HttpClient = ClientService<Client<HttpConnector, RequestBody<Empty<Bytes>>>>;

/// Serves, says hello so many times and goodbye half as often, and ends. Every call has finished when it returns.
///
/// # Errors
/// No loopback port is to be had, or a call fails.
pub(crate) async fn greet(tap: &Hottap, report: &Report, times: u32) -> anyhow::Result<()> {
    let server = tap.server_layer().with_tracer(MyTracer { report: report.clone() });
    let router = Router::new()
        .route(HELLO.as_str(), get(async |Path(name): Path<String>| format!("hello, {name}")))
        .route(GOODBYE.as_str(), get(async |Path(name): Path<String>| format!("goodbye, {name}")))
        .layer(server);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no loopback port is to be had")?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (stop, stopped) = oneshot::channel::<()>();
    let until_stopped = async {
        // An error means that nobody is there to stop it, which is no reason to go on.
        let _ = stopped.await;
    };
    let serving = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(until_stopped).into_future());

    let layer = tap.client_layer().callee("greeter");
    let layer = layer.with_tracer(ClientTracer { report: report.clone() });
    let client = layer.with_tracer(MyTracer { report: report.clone() });
    let client = client.layer(Client::builder(TokioExecutor::new()).build_http());
    for time in 0..times {
        call(&client, address, HELLO, "world").await?;
        if time % 2 == 1 {
            call(&client, address, GOODBYE, "world").await?;
        }
    }
    // The connection goes with its client, and the server need not wait for it.
    drop(client);
    let _ = stop.send(());
    serving.await.context("the server panicked")?.context("the server failed")
}

async fn call(client: &HttpClient, address: SocketAddr, route: Route, name: &str) -> anyhow::Result<()> {
    let url = format!("http://{address}{}", route.as_str().replace("{name}", name));
    // The client's router: it knows the route that its URL was made of.
    let request = Request::get(url).extension(route).body(Empty::new())?;
    let response = client.clone().oneshot(request).await.context("the greeter does not answer")?;
    ensure!(response.status().is_success(), "the greeter answered {}", response.status());
    response.into_body().collect().await.context("the answer was cut short")?;
    Ok(())
}
