//! Export over OTLP: set up by OpenTelemetry's environment variables, counted to the last span.

mod account;
mod answer;
mod batch;
mod collector;
mod init;
mod metrics;
mod percent;
mod resource;
mod sampler;
mod settings;
mod target;
mod tls;
mod trouble;
mod variables;

pub use account::Counts;
pub use init::{Otel, init, init_as};
pub use variables::ConfigError;
