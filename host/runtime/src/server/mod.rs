//! The server runtime: any tower service on HTTP/1.1 and HTTP/2, every call of it observed.
//!
//! Layers go into servers that people have; who starts anew takes the server with the tracers in it. One port speaks
//! HTTP/1.1 and HTTP/2, in plain text or TLS, and runs whatever takes an `http::Request<`[`Body`]`>`: tonic's `Routes`, axum's
//! `Router`, or a function.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hottap::{CallContext, Hottap, Tracer};
//! use hottap::server::Body;
//! use http::{Request, Response};
//!
//! struct Printer;
//!
//! impl Tracer for Printer {
//!     fn start(&self, _: &mut CallContext) {}
//!     fn finish(&self, call: &CallContext) {
//!         println!("{} from {}", call.info().invocation().method().as_str(), call.info().peer());
//!     }
//! }
//!
//! async fn hello(_: Request<Body>) -> Result<Response<String>, std::convert::Infallible> {
//!     Ok(Response::new("hello\n".into()))
//! }
//!
//! let tap = Hottap::builder().service("greeter").start()?;
//! let server = tap.server().with_tracer(Printer).bind("127.0.0.1:0").await?;
//! println!("listening on {:?}", server.local_addr());
//! let connections = server.connections();
//! // In a real service, the end is a signal of the system.
//! let served = server.serve_until(tower::service_fn(hello), async {}).await;
//! assert_eq!((served.requests_cut, connections.snapshot().open), (0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # What a call sees
//! Everything that the [`ServerLayer`](hottap_core::layer::ServerLayer) gives: start before the service is called, finish once. The
//! service stands inside a layer that [`Server`] makes; do not add a second one. A tracer also sees who is at the other end
//! ([`ConnectInfo`], in the request's extensions), and at the detailed level when the handler waited for the peer
//! ([`WAIT_READ_START`](hottap_core::rpc::EventKind::WAIT_READ_START)).
//!
//! # What goes wrong
//! - The service panics: 500, or INTERNAL in gRPC; the call finishes as panicked, the connection's other streams go on. Once
//!   the response's head is out, the stream is reset (HTTP/1.1: the connection is closed).
//! - The service gives an error instead of a response: the same answer; the tracers are told the error, the caller is not.
//! - The deadline of a call of gRPC passes (`grpc-timeout`): the handler is dropped, the caller is told DEADLINE_EXCEEDED.
//! - Too many requests: 503, or RESOURCE_EXHAUSTED in gRPC, as a call of its own.
//! - Anything before the head of a request has been read is no call: [`Connections`] counts it by reason.
//!
//! # What is bounded
//! Handshakes, heads, silence in bodies, peers that take nothing and idle connections by time-outs; connections, streams,
//! requests and heads by number or size: the methods of [`Server`] name each default and its reason. Not bounded: the size of
//! bodies (a handler reads as much as it wants, and what it does not read is not buffered beyond HTTP/2's windows of 1 MiB
//! per connection), how long a handler takes, and how slowly a peer takes a response as long as it takes some of it.
//!
//! Shutting down is [`Bound::serve_until`]'s.

mod activity;
mod admission;
mod answer;
mod body;
mod bound;
mod builder;
mod connect_info;
mod connection;
mod counters;
mod deadline;
mod entry;
mod inner;
mod listen;
mod patience;
mod routes;
mod settings;
mod stream;
mod tls;

pub use body::{Body, BodyError};
pub use bound::{Bound, Served};
pub use builder::{BindError, Server};
pub use counters::{Closed, ConnectionCounters, Connections, Refused};
pub use hottap_core::layer::ConnectInfo;
pub use tls::{Tls, TlsError};
