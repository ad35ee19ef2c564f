//! The trace identity of a call, as W3C Trace Context has it.

use super::random::random;

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
    /// The lower 56 bits of the trace id are random (W3C trace flag 2, of Level 2). True for traces that begin here; for
    /// others as it came, false where their format cannot say it.
    pub random: bool,
}

impl TraceContext {
    /// A new trace, sampled.
    #[must_use]
    #[inline]
    pub fn root() -> Self {
        let [high, low, span_id] = random();
        let trace_id = (u128::from(high) << 64 | u128::from(low)).max(1);
        Self { trace_id, span_id: span_id.max(1), parent_span_id: 0, sampled: true, random: true }
    }

    /// A new span under this one.
    #[must_use]
    #[inline]
    pub fn child(&self) -> Self {
        Self { span_id: span_id(), parent_span_id: self.span_id, ..*self }
    }

    /// Trace id and span id in hexadecimal digits, as `traceparent` has them.
    #[doc(hidden)]
    pub fn ids(&self) -> (String, String) {
        (format!("{:032x}", self.trace_id), format!("{:016x}", self.span_id))
    }
}

/// Anything but 0.
fn span_id() -> u64 {
    let [id] = random();
    id.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_bit_of_a_new_trace_id_is_set_in_half_of_the_traces() {
        const COUNT: u32 = 10_000;
        let mut set = [0u32; 128];
        for _ in 0..COUNT {
            let trace = TraceContext::root();
            assert!(trace.random);
            for (bit, count) in set.iter_mut().enumerate() {
                *count += u32::from(trace.trace_id >> bit & 1 == 1);
            }
        }
        // Six standard deviations.
        assert!(set.iter().all(|count| count.abs_diff(COUNT / 2) < 300), "{set:?}");
    }

    #[test]
    fn threads_do_not_share_ids() {
        let make = || (0..1_000).map(|_| TraceContext::root()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(make)).collect();
        let made: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        let different = |id: fn(&TraceContext) -> u128| made.iter().map(id).collect::<HashSet<_>>().len();
        assert_eq!(different(|trace| trace.trace_id), 8_000);
        assert_eq!(different(|trace| trace.trace_id >> 64), 8_000, "nor upper halves");
        assert_eq!(different(|trace| trace.span_id.into()), 8_000, "nor span ids");
    }

    #[test]
    fn a_child_keeps_the_flags_of_its_trace() {
        for (sampled, random) in [(false, false), (false, true), (true, false), (true, true)] {
            let child = TraceContext { sampled, random, ..TraceContext::root() }.child();
            assert_eq!((child.sampled, child.random), (sampled, random));
        }
    }
}
