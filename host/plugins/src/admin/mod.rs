//! What operators ask of a running host over HTTP: a service to mount, and a port of its own when asked for.
//!
//! It shows, and where `hottap.toml` says `actions = true` it also acts: see `actions`.

mod actions;
mod future;
mod serve;
mod service;

use std::borrow::Cow;
use std::net::SocketAddr;

use tokio::sync::oneshot;

#[cfg(test)]
pub(crate) use actions::Proof;
pub(crate) use actions::Verb;
pub use actions::{By, Command, Token};
pub use future::AdminFuture;

pub use serve::{AdminServer, serve, serve_or_retry};
pub use service::AdminService;

/// Where the answers come from.
///
/// Each method is called once per request for its page, on the thread that the request came in on: the admin port's
/// own thread, or a runtime's worker where the service is mounted in a router. While one is busy the admin port
/// answers nobody else. A panic in one closes that connection and has no other effect.
pub trait Report: Send + Sync + 'static {
    /// A page in Prometheus' text format 0.0.4.
    fn metrics(&self) -> String;
    /// An object with the list `tracers`.
    fn tracers(&self) -> serde_json::Value;
    /// An object with the dead letters of a tracer; none if there is no tracer of this name.
    fn dead(&self, tracer: &str) -> Option<serde_json::Value>;
    /// An object with the list `destinations`, and what there is to say of the operator's configuration.
    fn destinations(&self) -> serde_json::Value;
}

/// The other half of the API: what operators can have done.
///
/// Each method is called once per request for an action, on the thread that the request came in on, and must not block.
pub trait Act: Send + Sync + 'static {
    /// The reason for which actions are off; none if they are on.
    fn off(&self) -> Option<String>;
    /// The token that an action needs. May read a small file.
    fn token(&self) -> Token;
    /// Has an action done. The answer comes when it is done, or some seconds later; the sender is dropped after a shutdown.
    fn act(&self, command: &Command, by: By) -> oneshot::Receiver<Acted>;
    /// Hears of a request that may not act.
    fn refused(&self, verb: Verb, peer: Option<SocketAddr>, reason: &str);
}

/// The result of an action.
#[derive(Debug)]
pub struct Acted {
    pub(crate) outcome: Outcome,
    /// The tracer's state after it.
    pub(crate) state: Option<&'static str>,
    pub(crate) generation: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// It will be done; `/api/tracers` shows when.
    UnderWay,
    /// It cannot be done now.
    Conflict {
        message: String,
        what_to_do: Cow<'static, str>,
    },
    /// There is no such tracer.
    Unknown,
    /// Too many actions are under way.
    Busy,
    ShutDown,
}

impl From<Outcome> for Acted {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, state: None, generation: None }
    }
}
