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
#[cfg(feature = "attempts")]
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

#[cfg(feature = "server")]
pub(crate) use protocol::grpc::deadline as grpc_deadline;
#[cfg(any(feature = "otel", feature = "fuzz", all(test, feature = "plugins")))]
pub(crate) use protocol::grpc::message as grpc_message;
#[cfg(any(feature = "fuzz", all(test, feature = "plugins")))]
pub(crate) use protocol::grpc::status as grpc_status;
#[cfg(any(feature = "fuzz", all(test, feature = "plugins")))]
pub(crate) use protocol::{End, Reader, Wire};

#[cfg(any(feature = "client", feature = "server"))]
pub(crate) use protocol::Media;
#[cfg(feature = "otel")]
pub(crate) use protocol::{Base64, method as http_method};

#[cfg(feature = "reqwest")]
pub use self::reqwest::{DeadlineExceeded, ReqwestService};
pub use body::{RequestBody, ResponseBody};
pub use business::{BusinessStatus, Classify, ResponseHead};
#[cfg(feature = "client")]
pub(crate) use client::Runtime;
pub use client::{ClientBody, ClientLayer, ClientService};
pub use endpoint::{EndpointFuture, EndpointLayer, EndpointService};
pub use future::ResponseFuture;
#[cfg(feature = "attempts")]
pub(crate) use journal::{Journal, Reached};
#[cfg(feature = "axum")]
pub use matched::{RouteFuture, RouteLayer, RouteService};
pub use probe::Probe;
#[cfg(feature = "client")]
pub(crate) use protocol::{deadline, grpc};
pub use route::Route;
pub(crate) use routing::RouteNotice;
#[cfg(feature = "server")]
pub(crate) use routing::hides_routes;
pub use server::{ServerLayer, ServerService};
