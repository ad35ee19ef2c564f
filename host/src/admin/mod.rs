//! What operators ask of a running host over HTTP: a service to mount, and a port of its own when asked for.
//!
//! It only shows; nothing can be changed through it.

mod serve;
mod service;

pub(crate) use serve::{AdminServer, serve, serve_or_retry};
pub use service::AdminService;

/// Where the answers come from.
///
/// Each method is called once per request for its page, on the thread that the request came in on: the admin port's
/// own thread, or a runtime's worker where the service is mounted in a router. While one is busy the admin port
/// answers nobody else. A panic in one closes that connection and has no other effect.
pub(crate) trait Report: Send + Sync + 'static {
    /// A page in Prometheus' text format 0.0.4.
    fn metrics(&self) -> String;
    /// An object with the list `tracers`.
    fn tracers(&self) -> serde_json::Value;
    /// An object with the dead letters of a tracer; none if there is no tracer of this name.
    fn dead(&self, tracer: &str) -> Option<serde_json::Value>;
    /// An object with the list `destinations`, and what there is to say of the operator's configuration.
    fn destinations(&self) -> serde_json::Value;
}
