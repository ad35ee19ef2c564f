//! The server's side: a layer around the service that handles calls.

mod layer;
mod peer;
mod service;

pub use layer::ServerLayer;
pub use service::ServerService;
