//! Observing a service inside a process, whatever its requests are: Go kit's endpoints. What HTTP says is no matter here.

mod future;
mod layer;
mod service;

pub use future::EndpointFuture;
pub use layer::EndpointLayer;
pub use service::EndpointService;
