//! Export over OTLP: set up by OpenTelemetry's environment variables, counted to the last span.

mod account;
mod answer;
mod batch;
mod collector;
mod init;
mod metrics;
mod own;
mod parts;
mod percent;
mod resource;
mod sampler;
mod settings;
mod sources;
mod target;
mod tls;
mod trouble;
mod variables;

#[cfg(feature = "plugins")]
pub(crate) use account::Account;
pub use account::Counts;
pub use init::{Otel, init, init_as};
#[cfg(feature = "plugins")]
pub(crate) use sources::{ScopeMetrics, Source, Sources};
pub use variables::ConfigError;
