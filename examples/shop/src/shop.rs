//! The three servers, each on a loopback port of its own, the front if it is wanted, and the clients between them;
//! Hottap's runtimes are all of them. What a service owner has to write for Hottap stands here and in `main.rs`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::Request;
use axum::response::IntoResponse;
use hottap::Hottap;
use hottap::client::{Client, ClientBuilder, Retry};
use hottap::server::{Bound, Served};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;

use crate::front;
use crate::proto::checkout_client::CheckoutClient;
use crate::proto::checkout_server::CheckoutServer;
use crate::proto::inventory_client::InventoryClient;
use crate::proto::inventory_server::InventoryServer;
use crate::proto::pricing_client::PricingClient;
use crate::proto::pricing_server::PricingServer;
use crate::services::{CheckoutService, InventoryService, PricingService};

/// How often Pricing is asked at most, if it says that it is not available.
const PRICING_ATTEMPTS: u16 = 2;

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
    task: JoinHandle<Served>,
}

impl Shop {
    /// Starts all three, and connects them.
    ///
    /// # Errors
    /// No loopback port is to be had.
    pub(crate) async fn open(tap: &Hottap) -> anyhow::Result<Self> {
        let inventory = Running::start(tap, "inventory", InventoryServer::new(InventoryService)).await?;
        let pricing = Running::start(tap, "pricing", PricingServer::new(PricingService)).await?;
        let to_inventory = client(tap, "inventory", inventory.address).build().context("no client of inventory")?;
        let to_pricing = client(tap, "pricing", pricing.address).retry(Retry::new(PRICING_ATTEMPTS));
        let to_pricing = to_pricing.build().context("no client of pricing")?;
        let service = CheckoutService::new(InventoryClient::new(to_inventory), PricingClient::new(to_pricing));
        let service = Arc::new(service);
        let checkout = Running::start(tap, "checkout", CheckoutServer::from_arc(service.clone())).await?;
        Ok(Self { checkout: checkout.address, servers: vec![checkout, inventory, pricing], service })
    }

    /// A client of Checkout.
    ///
    /// # Errors
    /// Its address is none.
    pub(crate) fn client(&self, tap: &Hottap) -> anyhow::Result<CheckoutClient<Client>> {
        let client = client(tap, "checkout", self.checkout).build().context("no client of checkout")?;
        Ok(CheckoutClient::new(client))
    }

    /// Takes orders over plain HTTP too, and says where.
    ///
    /// # Errors
    /// The address is not to be had.
    pub(crate) async fn open_front(&mut self, tap: &Hottap, address: &str) -> anyhow::Result<SocketAddr> {
        let bound = tap.server().bind(address).await.context("--front")?;
        let front = Running::serve("front", bound, front::router(self.service.clone()))?;
        let address = front.address;
        // It calls the others.
        self.servers.insert(0, front);
        Ok(address)
    }

    /// Ends all of them: they take no more calls, and those that are open finish.
    ///
    /// # Errors
    /// One of them has failed, or has calls open that do not finish within `wait`.
    pub(crate) async fn close(self, wait: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + wait;
        for Running { name, stop, mut task, .. } in self.servers {
            // Whoever does not listen any more has ended, and says why below.
            let _ = stop.send(());
            match timeout_at(until, &mut task).await {
                Ok(ended) => _ = ended.with_context(|| format!("{name} panicked"))?,
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
    /// A gRPC service on a loopback port.
    async fn start<S>(tap: &Hottap, name: &'static str, service: S) -> anyhow::Result<Self>
    where
        S: Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send,
    {
        let bound = tap.server().bind((Ipv4Addr::LOCALHOST, 0)).await.context("no loopback port is to be had")?;
        Self::serve(name, bound, Routes::new(service).into_axum_router())
    }

    fn serve(name: &'static str, bound: Bound, router: Router) -> anyhow::Result<Self> {
        let address = bound.local_addr().with_context(|| format!("{name} has no port"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let until_stopped = async {
            // An error means that nobody is there to stop it, which is no reason to go on.
            let _ = stopped.await;
        };
        let task = tokio::spawn(async { bound.serve_until(router, until_stopped).await });
        Ok(Self { name, address, stop, task })
    }
}

/// A client whose calls are traced.
fn client(tap: &Hottap, callee: &str, address: SocketAddr) -> ClientBuilder {
    tap.client(format!("http://{address}")).callee(callee)
}
