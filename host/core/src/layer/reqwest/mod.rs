//! reqwest's clients: a client layer as a middleware of reqwest-middleware, and a client as a tower service inside of one.
//! Only with the feature `reqwest`.

mod attempts;
mod body;
mod deadline;
mod error;
mod middleware;
mod service;

pub use deadline::DeadlineExceeded;
pub(super) use error::told;
pub use service::ReqwestService;
