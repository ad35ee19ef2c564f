//! The three services. What they answer is designed (see `design`); how they answer is what any tonic service does.

mod checkout;
mod inventory;
mod pricing;

pub(crate) use checkout::CheckoutService;
pub(crate) use inventory::InventoryService;
pub(crate) use pricing::PricingService;

use std::time::Duration;

/// Stands for work that takes long.
async fn work(delay: Option<Duration>) {
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
}
