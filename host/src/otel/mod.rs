//! OpenTelemetry: native tracers that make its spans and its metrics; what goes over the network is in `export`.
//!
//! | what | [`Names::Stable`] | [`Names::Old`] |
//! |---|---|---|
//! | RPC: system | `rpc.system.name` (`grpc`, `connectrpc`) | `rpc.system` (`grpc`, `connect_rpc`) |
//! | RPC: method | `rpc.method` (`shop.v1.Checkout/Place`) | `rpc.service`, `rpc.method` (`Place`) |
//! | RPC: status | `rpc.response.status_code` (`NOT_FOUND`, Connect: `not_found`) | `rpc.grpc.status_code` (5), `rpc.connect_rpc.error_code` |
//! | RPC: bytes of both bodies | `rpc.request.size`, `rpc.response.size` | the same |
//! | HTTP: method | `http.request.method` | `http.method` |
//! | HTTP: route | `http.route` | the same |
//! | HTTP: status | `http.response.status_code` | `http.status_code` |
//! | HTTP: bytes of both bodies | `http.request.body.size`, `http.response.body.size` | `http.request_content_length`, `http.response_content_length` |
//! | HTTP: version | `network.protocol.version` | `net.protocol.version` |
//! | client: who is called | `server.address`, `server.port` | the same; HTTP: `net.peer.name`, `net.peer.port` |
//! | server: who calls | `network.peer.address`, `network.peer.port` | the same; HTTP: `net.sock.peer.addr`, `net.sock.peer.port` |
//! | endpoint | `endpoint.method` | the same |
//! | an error | `error.type` | the same |
//! | the application's status | `rpc.business_status`, `rpc.business_message` | the same |
//! | attempts | `http.request.resend_count` or `hottap.attempt` of an attempt, `hottap.attempts` of the call | the same |
//! | tags | under their keys, those of either end under `from.` and `to.` | the same |
//!
//! gRPC-web has the system `grpc`. The path, the query and headers are in no attribute; `url.scheme` is not known to a tower
//! layer. A span is an error by this rule, and has its words and its `error.type` only then: plain HTTP from status 500 up
//! on a server and from 400 up on a client; RPCs on a client with any status but success, on a server with `UNKNOWN`,
//! `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`; whatever panicked; clients that gave up.

mod attributes;
mod business;
mod conventions;
mod events;
mod export;
mod metrics;
mod name;
mod network;
mod parent;
mod request;
mod status;
mod tracer;
mod url;

pub use business::BusinessErrors;
pub use conventions::{Conventions, Names};
pub use export::{ConfigError, Counts, Otel, init, init_as};
pub use metrics::MetricTracer;
pub use tracer::SpanTracer;
