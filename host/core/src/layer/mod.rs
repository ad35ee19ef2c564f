//! Tower layers that observe the calls of clients and servers: they trace, and change nothing of an RPC but its trace
//! headers.
//!
//! Nothing here blocks or takes a lock that another call wants, and nothing that goes wrong here becomes an error of the
//! RPC.

mod active;
mod body;
mod business;
mod client;
mod endpoint;
mod exchange;
mod failure;
mod future;
mod journal;
mod log;
#[cfg(feature = "axum")]
mod matched;
mod owner;
mod probe;
mod protocol;
#[cfg(feature = "reqwest")]
mod reqwest;
mod route;
mod routing;
mod server;
mod tap;

#[cfg(feature = "reqwest")]
pub use self::reqwest::{DeadlineExceeded, ReqwestService};
pub use body::{RequestBody, ResponseBody};
pub use business::{BusinessStatus, Classify, ResponseHead};
pub use client::{Cause, ClientBody, ClientError, ClientLayer, ClientService, ErrorKind, Phase, Runtime};
pub use endpoint::{EndpointFuture, EndpointLayer, EndpointService};
pub use future::ResponseFuture;
pub use journal::{Journal, Reached};
#[cfg(feature = "axum")]
pub use matched::{RouteFuture, RouteLayer, RouteService};
pub use probe::Probe;
pub use protocol::grpc::{deadline as grpc_deadline, message as grpc_message, status as grpc_status};
pub use protocol::{Base64, End, Media, Reader, Wire, deadline, grpc, method as http_method};
pub use route::Route;
pub use routing::hides_routes;
pub use server::{ConnectInfo, ServerLayer, ServerService};
