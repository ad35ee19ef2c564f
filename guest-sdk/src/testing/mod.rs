//! A host for unit tests: it runs a tracer natively, without wasm, and shows what the tracer produced.
//!
//! It behaves as the real one does where a tracer can tell: batches of columns, symbols that are told only if they were
//! handed over, metrics, logs, payloads and state that take effect when a flush is over. It has no limits on time and
//! memory, and a panic is the test's panic. [`Harness`] is for tracers, [`StarterHarness`] for what acts at the start of
//! calls.
//!
//! ```
//! use std::time::Duration;
//! use hottap_guest::testing::{Harness, TestCall};
//! # use hottap_guest::{Call, Config, Error, Tracer, metrics::Counter};
//! # struct Slow(Counter);
//! # impl Tracer for Slow {
//! #     fn new(_: Config) -> Result<Self, Error> {
//! #         Ok(Self(Counter::define("slow").labels(["method"]).build()))
//! #     }
//! #     fn finish_call(&mut self, call: &Call) {
//! #         if call.duration() > Duration::from_secs(1) { self.0.with(&[call.method()]).increment(); }
//! #     }
//! # }
//!
//! let mut host = Harness::<Slow>::start();
//! host.finish([
//!     TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_secs(2)),
//!     TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_millis(2)),
//! ]);
//! assert_eq!(host.counter("slow", &[]), None, "nothing counts before a flush");
//! host.flush();
//! assert_eq!(host.counter("slow", &[("method", "shop.v1.Checkout/Place")]), Some(1.0));
//! ```

mod call;
mod harness;
mod headers;
mod host;
pub(crate) mod imports;
mod metrics;
mod moment;
mod source;
mod starter;
mod world;

pub use call::TestCall;
pub use harness::{Harness, Setup};
pub use host::{LogLine, Payload, Settings};
pub use metrics::HistogramValue;
pub use moment::TestMoment;
pub use starter::{Started, StarterHarness, StarterSetup};

pub(crate) use moment::MomentColumns;
pub(crate) use source::Source;
