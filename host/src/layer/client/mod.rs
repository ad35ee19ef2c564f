//! The client's side: a layer around the service that sends calls.

mod body;
mod layer;
mod service;

pub use body::ClientBody;
pub use layer::ClientLayer;
pub use service::ClientService;
