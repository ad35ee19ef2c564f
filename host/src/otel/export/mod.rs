//! Export over OTLP: set up by OpenTelemetry's environment variables, counted to the last span.

mod account;
mod answer;
mod backoff;
mod batch;
mod collector;
mod details;
mod haste;
mod init;
mod limits;
mod metrics;
mod percent;
mod pieces;
mod resource;
mod sampler;
mod settings;
mod target;
mod tls;
mod trouble;
mod variables;

pub use account::{Counts, MetricCounts};
pub use init::{Otel, init, init_as};
pub use variables::ConfigError;
