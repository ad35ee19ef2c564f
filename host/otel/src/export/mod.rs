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

pub use account::Accounts;
pub use account::{Counts, MetricCounts};
pub use init::{Otel, init, init_as, init_strict, init_strict_as};
pub use sources::{ScopeMetrics, Source, Sources};
pub use variables::ConfigError;
