//! Metrics: summed up in the guest's memory, handed over to the host in bulk when a flush is over.
//!
//! Recording a value is a few nanoseconds and no call to the host. Series live in the host: they survive traps and
//! swaps, and the host adds the label `tracer` to each. Name metrics, units and labels as OpenTelemetry does:
//! `rpc.server.call.duration` in `s`.

mod buckets;
mod counter;
mod define;
mod duration;
mod gauge;
mod histogram;
mod keyed;
mod registry;
mod series;

pub use counter::{Counter, CounterSeries};
pub use define::{Define, Instrument};
pub use duration::{DurationHistogram, DurationSeries};
pub use gauge::{Gauge, GaugeSeries};
pub use histogram::{Histogram, HistogramSeries};
pub use keyed::Keyed;

pub(crate) use registry::hand_over;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use registry::{Registry, swap_registry};

/// OpenTelemetry's bucket bounds for the durations of RPCs and HTTP requests, in seconds.
///
/// From the semantic conventions' advice for `rpc.server.call.duration` and `http.server.request.duration`.
pub const RPC_DURATION_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
