//! The client runtime: calls over HTTP/1.1 and HTTP/2, with connections, time-outs, retries and several endpoints, each
//! call observed by the tracers.
//!
//! A [`Client`] is a tower service, made by `Hottap::client`. It takes requests with any body
//! that is a [`ClientBody`](hottap_core::layer::ClientBody): tonic's clients have it as their transport, and it speaks plain HTTP.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use hottap::Hottap;
//! use hottap::client::Retry;
//! use http_body_util::{BodyExt, Empty};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tap = Hottap::builder().service("shop").start()?;
//! let client = tap
//!     .client("http://inventory-1:8080")
//!     .endpoint("http://inventory-2:8080")
//!     .callee("inventory")
//!     .timeout(Duration::from_secs(2))
//!     .retry(Retry::new(3))
//!     .build()?;
//!
//! let request = http::Request::get("/items/42").body(Empty::<Bytes>::new())?;
//! let response = client.clone().oneshot(request).await?;
//! let item = response.into_body().collect().await?.to_bytes();
//! # drop(item);
//! // For tonic: let greeter = GreeterClient::new(client);
//! # Ok(())
//! # }
//! ```
//!
//! # What one call is
//!
//! The tracers see one call, from the moment when the request is handed to the client until its response has been read,
//! however many attempts it takes. It has the protocol, the names and the traffic that a
//! [`ClientLayer`](hottap_core::layer::ClientLayer) finds, because it passes through one; and what only a runtime knows: the address
//! that answered, time-outs, attempts, and the events of the connection (see [`EventKind`](hottap_core::rpc::EventKind)).
//! The traffic is that of the body as the application gave it: what is sent again is counted once.
//!
//! # How much time a call has
//!
//! A call is over when the first of these is: [`timeout`](ClientBuilder::timeout), the `grpc-timeout` (or Connect's
//! `connect-timeout-ms`) of its request, and what is left of the deadline of the call that the current task handles.
//! What that leaves is sent along, so that every server on the way knows. Inside of it there are times for
//! [connecting](ClientBuilder::connect_timeout), for one [attempt](ClientBuilder::attempt_timeout), and for
//! [the next piece](ClientBuilder::stream_recv_timeout) of a response.
//!
//! # What goes on from call to call
//!
//! A call made inside of a handler is the child of the call that is handled, also where nobody traces that: it goes out
//! with its trace, its `tracestate` and its `baggage` (at most 64 members and 8192 bytes), and ends with its deadline. It is
//! found on the handler's task; tasks that the handler spawns have to be told.
//!
//! # What happens when something goes wrong
//!
//! A call that fails has a typed [`Error`]: what happened, how far the call had come, and with whom. Rows say the same as
//! their error type: `dns`, `connection_refused`, `unreachable`, `connect_timeout`, `connect`, `tls`, `certificate`,
//! `reset`, `protocol`, `attempt_timeout`, `timeout`, `request`, and `DEADLINE_EXCEEDED` where the call's time was over.
//! By default nothing is tried again; [`Retry`] says when it is.
//!
//! A request that meets a connection which the server closed while it lay idle goes out on another one, as long as nothing
//! of it was sent: that is no attempt of its own.
//!
//! # Bounds
//!
//! Time for connecting: 10 s. Addresses of a name: 16. Connections that lie idle: 32 to each endpoint, for 90 s. The head
//! of a response: 100 headers and about 400 KB with HTTP/1.1, 16 KiB with HTTP/2. What is kept of a request that may be
//! sent again: 64 KiB. What a server may ask a retry to wait: a minute. There is no bound on calls: put tower's `ConcurrencyLimit` before the client where you need one;
//! with HTTP/1.1 each call under way has a connection, with HTTP/2 they share one as far as the server lets them, and the
//! others wait for their turn.

mod attempts;
mod balance;
mod body;
mod builder;
mod connect;
mod deadline;
mod endpoint;
mod error;
mod outgoing;
mod replay;
mod retry;
mod send;
mod service;
mod watch;

pub use body::Body;
pub use builder::{BuildError, ClientBuilder};
pub use connect::{Addresses, Resolve, Tls, TlsError};
pub use error::{Error, ErrorKind, Phase};
pub use retry::Retry;
pub use service::{Client, ClientFuture};
