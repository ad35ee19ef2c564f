//! The client's side: a layer around the service that sends calls.

mod body;
mod layer;
#[cfg(feature = "client")]
mod runtime;
mod service;

pub use body::ClientBody;
pub use layer::ClientLayer;
#[cfg(feature = "client")]
pub(crate) use runtime::Runtime;
pub use service::ClientService;
