//! Messages on open streams that a test made up, and their columns.

use super::call::EPOCH;
use super::host::Symbols;
use crate::event::{Event, EventKind};

/// A message on an open stream: what a test hands to [`Harness::progress`](super::Harness::progress).
#[derive(Clone, Debug)]
#[must_use = "hand it to `Harness::progress`"]
pub struct TestMoment {
    call_id: u64,
    method: String,
    kind: EventKind,
    time: u64,
    size: u64,
}

impl TestMoment {
    /// The call with this id has sent a message of so many bytes.
    pub fn sent(call_id: u64, size: u64) -> Self {
        Self::of(Event::STREAM_SEND, call_id, size)
    }

    /// The call with this id has received a message of so many bytes.
    pub fn received(call_id: u64, size: u64) -> Self {
        Self::of(Event::STREAM_RECV, call_id, size)
    }

    fn of(kind: EventKind, call_id: u64, size: u64) -> Self {
        Self { call_id, method: String::new(), kind, time: EPOCH, size }
    }

    /// The call's method; without it the host does not know it yet.
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// When it happened, in nanoseconds since the Unix epoch.
    pub fn time(mut self, nanos: u64) -> Self {
        self.time = nanos;
        self
    }
}

/// The columns of some messages.
#[derive(Debug, Default)]
pub(crate) struct MomentColumns {
    pub(crate) call_ids: Vec<u64>,
    pub(crate) methods: Vec<u32>,
    pub(crate) kinds: Vec<u32>,
    pub(crate) times: Vec<u64>,
    pub(crate) sizes: Vec<u64>,
}

impl MomentColumns {
    /// In the order of their times, as the host hands them over.
    pub(crate) fn new(mut moments: Vec<TestMoment>, symbols: &mut Symbols) -> Self {
        moments.sort_by_key(|moment| moment.time);
        let mut columns = Self::default();
        for moment in moments {
            let method = if moment.method.is_empty() { 0 } else { symbols.hand_over(&moment.method) };
            columns.call_ids.push(moment.call_id);
            columns.methods.push(method);
            columns.kinds.push(moment.kind.symbol().id());
            columns.times.push(moment.time);
            columns.sizes.push(moment.size);
        }
        columns
    }
}
