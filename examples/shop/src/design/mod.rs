//! What is designed to happen, known to the services and the load generator alike: what things cost, and what becomes of
//! an order. Pure; nothing here knows of RPCs.

mod catalogue;
mod order;

pub(crate) use catalogue::cents;
pub(crate) use order::{Kind, Order, Prices, Step};
