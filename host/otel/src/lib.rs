//! OpenTelemetry: native tracers that make its spans and its metrics; what goes over the network is in `export`.
//!
//! | what | [`Names::Stable`] | [`Names::Old`] |
//! |---|---|---|
//! | RPC: system | `rpc.system.name` (`grpc`, `connectrpc`) | `rpc.system` (`grpc`, `connect_rpc`) |
//! | RPC: method | `rpc.method` (`shop.v1.Checkout/Place`) | `rpc.service`, `rpc.method` (`Place`) |
//! | RPC: status | `rpc.response.status_code` (`NOT_FOUND`, Connect: `not_found`) | `rpc.grpc.status_code` (5), `rpc.connect_rpc.error_code` |
//! | RPC: bytes of both bodies | `rpc.request.size`, `rpc.response.size` | the same |
//! | RPC: a method that nobody knows | `rpc.method` is `_OTHER`, `rpc.method_original` what was asked for | `_OTHER` |
//! | HTTP: method | `http.request.method` | `http.method` |
//! | HTTP: a method that is not known | `_OTHER`, and `http.request.method_original` what was sent | `_OTHER` |
//! | HTTP: route | server: `http.route`, client: `url.template` | server: `http.route` |
//! | HTTP: status | `http.response.status_code` | `http.status_code` |
//! | HTTP: bytes of both bodies | `http.request.body.size`, `http.response.body.size` | `http.request_content_length`, `http.response_content_length` |
//! | HTTP: version | `network.protocol.version` (`1.0`, `1.1`, `2`) | `net.protocol.version` (`2.0`) |
//! | HTTP: URL, on a server | `url.scheme`, `url.path`, `url.query` | `http.scheme`, `http.target` |
//! | HTTP: URL, on a client | `url.full` | `http.url` |
//! | HTTP: user agent | server: `user_agent.original` | both: `user_agent.original` |
//! | client: who is called | `server.address`, `server.port` | the same; HTTP: `net.peer.name`, `net.peer.port` |
//! | client: who is reached | `network.peer.address`, `network.peer.port` | the same; HTTP: `net.sock.peer.addr`, `net.sock.peer.port` |
//! | server: who is called | `server.address`, `server.port` | the same; HTTP: `net.host.name`, `net.host.port` |
//! | server: who calls | `network.peer.address`, `network.peer.port`; HTTP: `client.address` | the same, HTTP: `net.sock.peer.addr`, `net.sock.peer.port` |
//! | endpoint | `endpoint.method` | the same |
//! | an error | `error.type` | the same |
//! | the application's status | `rpc.business_status`, `rpc.business_message` | the same |
//! | attempts | `http.request.resend_count` or `hottap.attempt` of an attempt, `hottap.attempts` of the call | the same; HTTP: `http.resend_count` |
//! | tags | under their keys, those of either end under `from.` and `to.` | the same |
//!
//! gRPC-web has the system `grpc`. What the request's head says is there where the call has one. Where HTTP carries an RPC that
//! is who is called, and the name that a caller asked for and nobody knows. It is there from the start of the span, for
//! samplers, but for that name. Metrics have of it a server's scheme and, of clients, who is called. No more than 2 KiB of each
//! is kept.
//!
//! - **Scheme**: what the request says (`:scheme` of HTTP/2), else what the connection is, if the server runtime serves it;
//!   else `http`, also where another server ends TLS and speaks HTTP/1.1. What proxies write into `forwarded` and
//!   `x-forwarded-*` is not believed, for anybody can write it: neither scheme, server nor client come from there.
//! - **Who is called**: by a request's URI (`:authority`), else its `host` header; on a client whose requests say nothing of
//!   it, where the call goes. A client of several endpoints has it in the spans of its attempts.
//! - **Secrets**: user and password in URLs are `REDACTED` (the older name has none), and so are in queries the values of
//!   `X-Amz-Signature`, `X-Amz-Credential`, `X-Amz-Security-Token`, `AWSAccessKeyId`, `Signature`, `sig` and
//!   `X-Goog-Signature`. Other secrets do not belong into URLs.
//! - **Methods** that are known are those of RFC 9110, `PATCH` and `QUERY`, or those that
//!   `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` lists instead (at most 64 of at most 32 bytes), for plugins as well.
//!
//! A span is an error by this rule, and has its words and its `error.type` only then: plain HTTP from status 500 up on a
//! server and from 400 up on a client, and where the response did not get through to its end, but not on the client that
//! gave it up; RPCs on a client with any
//! status but success, on a server with `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and
//! `DATA_LOSS`; whatever panicked; clients of RPCs that gave up. Sizes of bodies are optional in the conventions, and always
//! there.

mod active;
mod address;
mod attributes;
mod baggage;
mod business;
mod conventions;
mod events;
mod export;
mod identity;
mod metrics;
mod name;
mod network;
mod parent;
mod request;
mod status;
mod tracer;
mod url;

pub(crate) use active::{CallSpan, span_of};
#[doc(hidden)]
pub use baggage::propagate_active_baggage;
pub use business::BusinessErrors;
pub use conventions::{Conventions, Names};
#[doc(hidden)]
pub use export::{Accounts, ScopeMetrics, Source, Sources};
pub use export::{ConfigError, Counts, MetricCounts, Otel, init, init_as, init_strict, init_strict_as};
pub use metrics::MetricTracer;
pub use tracer::SpanTracer;
