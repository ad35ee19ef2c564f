//! Checkout: places an order by way of Inventory and Pricing, and tells how far one is.

use std::pin::Pin;

use hottap::client::Client;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::work;
use crate::design::{Order, Prices, Step};
use crate::proto::checkout_server::Checkout;
use crate::proto::inventory_client::InventoryClient;
use crate::proto::pricing_client::PricingClient;
use crate::proto::{PlaceReply, PlaceRequest, PriceLine, Progress, QuoteRequest, ReserveRequest, Stage, WatchRequest};

/// The service, with its clients.
pub(crate) struct CheckoutService {
    inventory: InventoryClient<Client>,
    pricing: PricingClient<Client>,
}

impl CheckoutService {
    /// A checkout that asks these two; the client of Pricing asks again where that may help.
    pub(crate) fn new(inventory: InventoryClient<Client>, pricing: PricingClient<Client>) -> Self {
        Self { inventory, pricing }
    }

    async fn prices(&self, quote: QuoteRequest) -> Result<Vec<PriceLine>, Status> {
        let mut stream = self.pricing.clone().quote(quote).await?.into_inner();
        let mut lines = Vec::new();
        while let Some(line) = stream.message().await? {
            lines.push(line);
        }
        Ok(lines)
    }
}

#[tonic::async_trait]
impl Checkout for CheckoutService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Progress, Status>> + Send>>;

    async fn place(&self, request: Request<PlaceRequest>) -> Result<Response<PlaceReply>, Status> {
        let PlaceRequest { order, items } = request.into_inner();
        let reserved = self.inventory.clone().reserve(ReserveRequest { order, items: items.clone() }).await;
        let reservation = reserved.map_err(|status| passed_on("inventory", &status))?.into_inner().reservation;
        let prices = self.prices(QuoteRequest { order, items }).await;
        let lines = prices.map_err(|status| passed_on("pricing", &status))?;
        Ok(Response::new(PlaceReply {
            reservation,
            lines: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            total_cents: lines.iter().fold(0, |total, line| total.saturating_add(line.cents)),
        }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let order = Order::new(request.into_inner().order);
        let steps = progress(order).into_iter().enumerate().map(move |(at, step)| {
            // Between the first message and the second, so that a tracer sees a stream that dawdles.
            (if at == 1 { order.delay(Step::Progress) } else { None }, step)
        });
        let stream = tokio_stream::iter(steps).then(|(delay, step)| async move {
            work(delay).await;
            step.map(|stage| Progress { stage: stage.into() })
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// The stages of an order up to where it ends, and how it ends if not well.
fn progress(order: Order) -> Vec<Result<Stage, Status>> {
    if !order.in_stock() {
        return vec![Ok(Stage::Received), Err(Status::failed_precondition("the order came to nothing"))];
    }
    if order.prices() == Prices::Unknown {
        let lost = Status::unavailable("the order waits for prices");
        return vec![Ok(Stage::Received), Ok(Stage::Reserved), Err(lost)];
    }
    vec![Ok(Stage::Received), Ok(Stage::Reserved), Ok(Stage::Priced), Ok(Stage::Placed)]
}

/// The status of another service as one's own: without its headers, which are not the caller's business.
fn passed_on(service: &str, status: &Status) -> Status {
    Status::new(status.code(), format!("{service}: {}", status.message()))
}
