//! The trace identity of a call, as W3C Trace Context has it.

/// Which trace a call belongs to, and its own span in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// 128 bits, never 0.
    pub trace_id: u128,
    /// The call's own span, never 0.
    pub span_id: u64,
    /// The span that it belongs to; 0 for a root.
    pub parent_span_id: u64,
    /// The trace is sampled (W3C trace flag 1).
    pub sampled: bool,
}

impl TraceContext {
    /// A new trace, sampled.
    #[must_use]
    #[inline]
    pub fn root() -> Self {
        Self { trace_id: fastrand::u128(..).max(1), span_id: span_id(), parent_span_id: 0, sampled: true }
    }

    /// A new span under this one.
    #[must_use]
    #[inline]
    pub fn child(&self) -> Self {
        Self { span_id: span_id(), parent_span_id: self.span_id, ..*self }
    }

    /// Trace id and span id in hexadecimal digits, as `traceparent` has them.
    pub(crate) fn ids(&self) -> (String, String) {
        (format!("{:032x}", self.trace_id), format!("{:016x}", self.span_id))
    }
}

/// Anything but 0. A range would be asked for with a division.
fn span_id() -> u64 {
    fastrand::u64(..).max(1)
}
