//! The server's side: a layer around the service that handles calls.

mod connect_info;
mod layer;
mod peer;
mod service;

pub use connect_info::ConnectInfo;
pub use layer::ServerLayer;
pub use service::ServerService;
