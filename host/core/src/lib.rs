//! The core of Hottap: what is known of an RPC, the propagation of traces, native tracers, rows and batches, and the layers.
//!
//! Services depend on the crate `hottap`, which re-exports what is documented here. All modules that are hidden from the
//! documentation, and all hidden items, are public to the other crates of Hottap alone: no promise holds for them.

#[macro_use]
#[path = "../wit/columns.rs"]
mod table;

pub mod rpc;

#[doc(hidden)]
pub mod backoff;
#[doc(hidden)]
pub mod budget;
#[doc(hidden)]
pub mod collect;
#[doc(hidden)]
pub mod host_metrics;
#[doc(hidden)]
pub mod layer;
#[doc(hidden)]
pub mod live;
#[doc(hidden)]
pub mod lock;
#[doc(hidden)]
pub mod panics;
#[doc(hidden)]
pub mod plain;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod propagate;
#[doc(hidden)]
pub mod tracer;

pub use layer::{
    BusinessStatus, Classify, ClientBody, ClientLayer, ClientService, EndpointFuture, EndpointLayer, EndpointService,
    Probe, RequestBody, ResponseBody, ResponseFuture, ResponseHead, Route, ServerLayer, ServerService,
};
#[cfg(feature = "reqwest")]
pub use layer::{DeadlineExceeded, ReqwestService};
#[cfg(feature = "axum")]
pub use layer::{RouteFuture, RouteLayer, RouteService};
pub use propagate::{Propagator, Propagators, Scoped};
pub use tracer::{Call, CallContext, LogSpans, RequestHead, Tracer};
