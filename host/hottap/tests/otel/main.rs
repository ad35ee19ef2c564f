//! OpenTelemetry natively: spans and metrics of real calls, their export, and who is whose child.

#[expect(dead_code, reason = "nobody here looks at the memory")]
#[path = "../server/apart.rs"]
mod apart;
#[path = "../layers/codec.rs"]
mod codec;
#[path = "../layers/echo.rs"]
mod echo;
#[path = "../layers/recorder.rs"]
mod recorder;
#[cfg(all(feature = "client", feature = "server"))]
mod shop;
mod spans;
#[expect(dead_code, reason = "the layers' own tests ask for more")]
#[path = "../layers/stand.rs"]
mod stand;
#[path = "../layers/steps.rs"]
mod steps;
#[expect(dead_code, reason = "the layers' tests use more of it")]
#[path = "../layers/world.rs"]
mod world;

mod answers;
mod attempts;
mod collector;
#[cfg(all(feature = "client", feature = "server"))]
mod destinations;
mod endings;
mod endpoints;
mod ends;
mod export;
mod going_out;
mod grpc;
#[cfg(all(feature = "client", feature = "server"))]
mod heads;
mod http_spans;
mod log;
mod metrics;
mod nesting;
mod operator;
mod options;
mod propagation;
mod quiet;
mod sizes;
mod specification;
mod tls;
mod w3c;
