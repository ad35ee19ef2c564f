//! tonic's own server and channel with Hottap's layers: gRPC's health service, and a client that asks it every second
//! until Ctrl-C. The plugin dir is `HOTTAP_PLUGINS`, the admin API's address `HOTTAP_ADMIN`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use hottap::{ClientService, Hottap};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Hottap names here what it loads and what it refuses.
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    let tap = Hottap::builder().service("health").start().context("cannot start Hottap")?;
    let incoming = TcpIncoming::bind("127.0.0.1:50051".parse()?).context("port 50051 is not to be had")?;
    let address = incoming.local_addr()?;
    let stop = async { _ = tokio::signal::ctrl_c().await };
    let server = tokio::spawn(serve(tap.clone(), incoming, stop));
    let mut client = connect(&tap, address).await?;
    tracing::info!(%address, "asking once a second");
    while !server.is_finished() {
        match client.check(HealthCheckRequest::default()).await {
            Ok(reply) => tracing::info!(status = ?reply.into_inner().status(), "answered"),
            Err(status) => tracing::warn!(%status, "refused"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    server.await??;
    // What the tracers have gathered is handed over; it blocks, so not on a thread of tokio's.
    tokio::task::spawn_blocking(move || tap.shutdown(Duration::from_secs(5))).await?;
    Ok(())
}

/// Serves until `stop` is ready.
async fn serve(tap: Hottap, incoming: TcpIncoming, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder().layer(tap.server_layer()).add_service(health);
    server.serve_with_incoming_shutdown(incoming, stop).await.context("the server failed")
}

/// A client whose calls are traced. The origin tells the tracers where they go: the channel keeps that to itself.
async fn connect(tap: &Hottap, address: SocketAddr) -> anyhow::Result<HealthClient<ClientService<Channel>>> {
    let origin = Uri::try_from(format!("http://{address}"))?;
    let channel = Endpoint::from(origin.clone()).connect().await?;
    Ok(HealthClient::with_origin(tap.client_layer().callee("health").layer(channel), origin))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use hottap::rpc::Side;
    use hottap::{CallContext, Tracer};
    use tokio::sync::oneshot;

    use super::*;

    /// Keeps side and method of each call, and whom its request names.
    #[derive(Clone, Default)]
    struct Keeper(Arc<Mutex<Vec<(Side, String, String)>>>);

    impl Tracer for Keeper {
        fn start(&self, _: &mut CallContext) {}

        fn finish(&self, call: &CallContext) {
            let info = call.info();
            let method = info.invocation().method().as_str().to_owned();
            let authority = call.request().and_then(|head| head.authority()).expect("it names somebody");
            self.0.lock().expect("not poisoned").push((info.side(), method, authority.to_string()));
        }

        fn request_head(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn a_call_is_traced_on_both_sides() {
        let keeper = Keeper::default();
        let tap = Hottap::builder().tracer(keeper.clone()).start().expect("starts");
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let address = incoming.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(tap.clone(), incoming, async { _ = stopped.await }));
        let mut client = connect(&tap, address).await.expect("connects");
        client.check(HealthCheckRequest::default()).await.expect("it is healthy");
        drop((client, stop));
        server.await.expect("no panic").expect("it ends");
        let mut seen = keeper.0.lock().expect("not poisoned").clone();
        seen.sort_by_key(|(side, ..)| *side as u8);
        let call = |side| (side, "grpc.health.v1.Health/Check".to_owned(), address.to_string());
        assert_eq!(seen, [call(Side::Client), call(Side::Server)]);
    }
}
