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

pub use protocol::grpc::deadline as grpc_deadline;
pub use protocol::grpc::message as grpc_message;
pub use protocol::grpc::status as grpc_status;
pub use protocol::{End, Reader, Wire};

pub use protocol::Media;
pub use protocol::{Base64, method as http_method};

#[cfg(feature = "reqwest")]
pub use self::reqwest::{DeadlineExceeded, ReqwestService};
pub use body::{RequestBody, ResponseBody};
pub use business::{BusinessStatus, Classify, ResponseHead};
pub use client::Runtime;
pub use client::{Cause, ClientError, ErrorKind, Phase};
pub use client::{ClientBody, ClientLayer, ClientService};
pub use endpoint::{EndpointFuture, EndpointLayer, EndpointService};
pub use future::ResponseFuture;
pub use journal::{Journal, Reached};
#[cfg(feature = "axum")]
pub use matched::{RouteFuture, RouteLayer, RouteService};
pub use probe::Probe;
pub use protocol::{deadline, grpc};
pub use route::Route;
pub use routing::hides_routes;
pub use server::{ConnectInfo, ServerLayer, ServerService};
