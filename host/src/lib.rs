//! Hottap: RPC tracers as WebAssembly modules, loaded into a running service.
//!
//! # Features
//! A service enables the features that name the crates around it:
//!
//! | feature | gives | without it |
//! |---|---|---|
//! | `tonic` | [`ClientLayer`] around tonic's `Channel`, [`ServerLayer`] around one service of tonic's, callers' addresses | tonic's clients do not compile: `tonic::body::Body` is no [`ClientBody`] |
//! | `axum` | the routes of axum's `Router`, callers' addresses | calls of axum's are recorded under their HTTP method alone; the log says so once |
//! | `hyper` | [`ClientLayer`] around clients that pass on hyper's `Incoming` | such clients do not compile |
//! | `server`, `client` | the runtimes: `Hottap::server`, `Hottap::client` | the methods are not there |
//! | `otel` | OpenTelemetry, compiled in | module `otel` is not there |
//! | `plugins` (default) | tracers as WebAssembly modules, metrics, the admin API | native tracers alone; there is no wasmtime in the tree |
//! | `compiler` (default) | plugins are compiled in the service | they are compiled by the command `hottap` ([`Compile`]); there is no cranelift in the tree |
//! | `https` (default) | destinations with `https://` URLs | the configuration says that they need it |
//! | `cli` | the command `hottap` | |

pub mod rpc;

#[cfg(feature = "plugins")]
mod admin;
#[cfg(feature = "plugins")]
mod budget;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "plugins")]
mod collect;
#[cfg(feature = "plugins")]
mod config;
mod dial;
#[cfg(feature = "drive")]
#[doc(hidden)]
pub mod drive;
#[cfg(any(feature = "fuzz", all(test, feature = "plugins")))]
#[doc(hidden)]
pub mod fuzz;
mod layer;
#[cfg(feature = "plugins")]
mod metrics;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "plugins")]
mod outbox;
#[cfg(any(feature = "plugins", feature = "otel"))]
mod panics;
#[cfg(any(feature = "plugins", feature = "otel"))]
mod plain;
#[cfg(feature = "plugins")]
mod plugin;
mod process;
mod propagate;
#[cfg(any(feature = "plugins", feature = "server", feature = "otel"))]
mod read;
#[cfg(feature = "server")]
pub mod server;
#[cfg(any(feature = "client", feature = "server"))]
mod socket;
mod tracer;
#[cfg(feature = "plugins")]
mod wasm;

#[cfg(feature = "plugins")]
pub use admin::{AdminFuture, AdminService};
pub use layer::{
    BusinessStatus, Classify, ClientBody, ClientLayer, ClientService, EndpointFuture, EndpointLayer, EndpointService,
    Probe, RequestBody, ResponseBody, ResponseFuture, ResponseHead, Route, ServerLayer, ServerService,
};
#[cfg(feature = "reqwest")]
pub use layer::{DeadlineExceeded, ReqwestService};
#[cfg(feature = "axum")]
pub use layer::{RouteFuture, RouteLayer, RouteService};
#[cfg(feature = "plugins")]
pub use plugin::{NotReady, Ready};
pub use propagate::{Propagator, Propagators, Scoped};
pub use tracer::{Builder, Call, CallContext, Hottap, LogSpans, RequestHead, StartError, Tracer};
#[cfg(feature = "plugins")]
pub use wasm::Compile;
