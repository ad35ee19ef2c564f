//! The three servers, each on a loopback port of its own, the front if it is wanted, and the clients between them;
//! Hottap's layers are on all of them. What a service owner has to write for Hottap stands here and in `main.rs`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hottap::Hottap;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Endpoint, Server};
use tower::ServiceBuilder;
use tower::layer::util::{Identity, Stack};

use crate::front;
use crate::proto::checkout_client::CheckoutClient;
use crate::proto::checkout_server::CheckoutServer;
use crate::proto::inventory_client::InventoryClient;
use crate::proto::inventory_server::InventoryServer;
use crate::proto::pricing_client::PricingClient;
use crate::proto::pricing_server::PricingServer;
use crate::services::{CheckoutService, InventoryService, PricingService, Traced};

/// The running services.
pub(crate) struct Shop {
    /// In the order in which they are to end: who calls others first.
    servers: Vec<Running>,
    checkout: SocketAddr,
    service: Arc<CheckoutService>,
}

struct Running {
    name: &'static str,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Shop {
    /// Starts all three, and connects them.
    ///
    /// # Errors
    /// No loopback port is to be had.
    pub(crate) async fn open(tap: &Hottap) -> anyhow::Result<Self> {
        let inventory = Running::start("inventory", server(tap).add_service(InventoryServer::new(InventoryService)))?;
        let pricing = Running::start("pricing", server(tap).add_service(PricingServer::new(PricingService)))?;
        let service = Arc::new(CheckoutService::new(
            InventoryClient::new(connect(tap, "inventory", inventory.address).await?),
            PricingClient::new(connect(tap, "pricing", pricing.address).await?),
        ));
        let checkout = Running::start("checkout", server(tap).add_service(CheckoutServer::from_arc(service.clone())))?;
        Ok(Self { checkout: checkout.address, servers: vec![checkout, inventory, pricing], service })
    }

    /// A client of Checkout.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn client(&self, tap: &Hottap) -> anyhow::Result<CheckoutClient<Traced>> {
        Ok(CheckoutClient::new(connect(tap, "checkout", self.checkout).await?))
    }

    /// Takes orders over plain HTTP too, and says where.
    ///
    /// # Errors
    /// The address is not to be had.
    pub(crate) async fn open_front(&mut self, tap: &Hottap, address: &str) -> anyhow::Result<SocketAddr> {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("--front: {address} is not to be had"))?;
        let address = listener.local_addr().context("the front has no port")?;
        let router = front::router(self.service.clone()).layer(tap.server_layer());
        let (stop, until_stopped) = stopper();
        let serving = axum::serve(listener, router).with_graceful_shutdown(until_stopped);
        let task = tokio::spawn(async { Ok(serving.await?) });
        // It calls the others.
        self.servers.insert(0, Running { name: "front", address, stop, task });
        Ok(address)
    }

    /// Ends all of them: they take no more calls, and those that are open finish.
    ///
    /// # Errors
    /// One of them has failed, or has calls open that do not finish within `wait`.
    pub(crate) async fn close(self, wait: Duration) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + wait;
        for Running { name, stop, mut task, .. } in self.servers {
            // Whoever does not listen any more has ended, and says why below.
            let _ = stop.send(());
            match tokio::time::timeout_at(until, &mut task).await {
                Ok(ended) => ended.context("panicked").and_then(|ended| ended).with_context(|| name.to_owned())?,
                Err(_) => {
                    task.abort();
                    anyhow::bail!("{name} did not end within {} s: it has calls open", wait.as_secs_f64());
                }
            }
        }
        Ok(())
    }
}

impl Running {
    fn start(name: &'static str, service: Router<Stack<hottap::ServerLayer, Identity>>) -> anyhow::Result<Self> {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).context("no loopback port is to be had")?;
        let incoming = incoming.with_nodelay(Some(true));
        let address = incoming.local_addr().with_context(|| format!("{name} has no port"))?;
        let (stop, until_stopped) = stopper();
        let task = tokio::spawn(async { Ok(service.serve_with_incoming_shutdown(incoming, until_stopped).await?) });
        Ok(Self { name, address, stop, task })
    }
}

/// What ends a server, and what it waits for.
fn stopper() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send + 'static) {
    let (stop, stopped) = oneshot::channel::<()>();
    let until_stopped = async {
        // An error means that nobody is there to stop it, which is no reason to go on.
        let _ = stopped.await;
    };
    (stop, until_stopped)
}

/// A server whose calls are traced.
fn server(tap: &Hottap) -> Server<Stack<hottap::ServerLayer, Identity>> {
    Server::builder().layer(tap.server_layer())
}

/// A client whose calls are traced.
async fn connect(tap: &Hottap, callee: &str, address: SocketAddr) -> anyhow::Result<Traced> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).context("not an address")?;
    let channel = endpoint.connect().await.with_context(|| format!("{callee} does not answer at {address}"))?;
    Ok(ServiceBuilder::new().layer(tap.client_layer().callee(callee)).service(channel))
}
