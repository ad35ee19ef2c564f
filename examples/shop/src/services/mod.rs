//! The three services. What they answer is designed (see `design`); how they answer is what any tonic service does.

mod checkout;
mod inventory;
mod pricing;

pub(crate) use checkout::CheckoutService;
pub(crate) use inventory::InventoryService;
pub(crate) use pricing::PricingService;

use std::time::Duration;

/// How often Pricing was asked before, as gRPC's own retries tell it.
/// Source: <https://github.com/grpc/proposal/blob/master/A6-client-retries.md>
const ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// Stands for work that takes long.
async fn work(delay: Option<Duration>) {
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
}
