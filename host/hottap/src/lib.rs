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
//! | `reqwest` | [`ClientLayer`] as a middleware of reqwest-middleware, `ReqwestService` as a tower service | reqwest's clients are not observed |
//! | `server`, `client` | the runtimes: `Hottap::server`, `Hottap::client` | the methods are not there |
//! | `otel` | OpenTelemetry, compiled in | module `otel` is not there |
//! | `plugins` (default) | tracers as WebAssembly modules, metrics, the admin API | native tracers alone; there is no wasmtime in the tree |
//! | `compiler` (default) | plugins are compiled in the service | they are compiled by the command `hottap` ([`Compile`]); there is no cranelift in the tree |
//! | `https` (default) | destinations with `https://` URLs | the configuration says that they need it |
//!
#[cfg(all(feature = "otel", feature = "plugins"))]
mod bridge;
mod builder;
mod environment;
mod handle;
mod running;

pub use builder::{Builder, StartError};
pub use handle::Hottap;

pub use hottap_core::rpc;
pub use hottap_core::{
    BusinessStatus, Call, CallContext, Classify, ClientBody, ClientLayer, ClientService, EndpointFuture, EndpointLayer,
    EndpointService, LogSpans, Probe, Propagator, Propagators, RequestBody, RequestHead, ResponseBody, ResponseFuture,
    ResponseHead, Route, Scoped, ServerLayer, ServerService, Tracer,
};
#[cfg(feature = "reqwest")]
pub use hottap_core::{DeadlineExceeded, ReqwestService};
#[cfg(feature = "axum")]
pub use hottap_core::{RouteFuture, RouteLayer, RouteService};
#[cfg(feature = "otel")]
pub use hottap_otel as otel;
#[cfg(feature = "drive")]
#[doc(hidden)]
pub use hottap_plugins::drive;
#[cfg(feature = "plugins")]
pub use hottap_plugins::{AdminFuture, AdminService, Compile, NotReady, Ready};
#[cfg(feature = "client")]
pub use hottap_runtime::client;
#[cfg(feature = "server")]
pub use hottap_runtime::server;
