//! The load generator: calls Checkout at a rate, and counts by itself what it did; Hottap's counts are compared with its.

mod call;
mod counts;
mod generator;
mod latency;
mod pace;
mod verdict;

pub(crate) use counts::Counted;
pub(crate) use generator::{Lap, Load, Second, TICK};
pub(crate) use latency::{Quantiles, Taken};
