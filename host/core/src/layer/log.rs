//! The detailed events of one call, written by the tasks that move its two bodies, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::rpc::{EventKind, Events, RpcStats, Symbol};
use crate::tracer::Core;

/// As many as the call keeps.
const FIRST: u64 = Events::FIRST as u64;
const LAST: u64 = Events::LAST as u64;
const KEPT: usize = (FIRST + LAST) as usize;

/// Only calls at the detailed level have one.
pub(crate) struct Log {
    core: Arc<Core>,
    started: u64,
    written: AtomicU64,
    /// A built-in event's number in the lowest byte, above it the nanoseconds since the start. 0 is none.
    slots: [AtomicU64; KEPT],
}

impl Log {
    pub(crate) fn new(core: Arc<Core>, started: u64) -> Box<Self> {
        Box::new(Self { core, started, written: AtomicU64::new(0), slots: [const { AtomicU64::new(0) }; KEPT] })
    }

    /// Records that it happened now. Of the application's own events none come here.
    pub(crate) fn record(&self, kind: EventKind) {
        let at = self.core.clock.now().saturating_sub(self.started);
        let index = self.written.fetch_add(1, Ordering::AcqRel);
        if let Some(slot) = self.slots.get(place(index)) {
            // 56 bits of nanoseconds are two years.
            slot.store(at << 8 | u64::from(kind.0.id() & 0xff), Ordering::Release);
        }
    }

    /// Nanoseconds since the call's start.
    pub(super) fn elapsed(&self) -> u64 {
        self.core.clock.now().saturating_sub(self.started)
    }

    /// Moves the events to the call. One that another thread writes at this moment may be missing: it is not the
    /// call's, which has ended.
    pub(crate) fn replay(&self, stats: &mut RpcStats) {
        let written = self.written.load(Ordering::Acquire);
        let last = FIRST.max(written.saturating_sub(LAST))..written;
        for index in (0..written.min(FIRST)).chain(last.clone()) {
            let event = self.slots.get(place(index)).map_or(0, |slot| slot.load(Ordering::Acquire));
            if let Ok(number @ 1..) = u8::try_from(event & 0xff) {
                stats.record(EventKind(Symbol::fixed(number)), self.started.saturating_add(event >> 8));
            }
        }
        let elided = last.start.saturating_sub(FIRST);
        stats.events.elide(u32::try_from(elided).unwrap_or(u32::MAX));
    }
}

fn place(index: u64) -> usize {
    let place = if index < FIRST { index } else { FIRST + (index - FIRST) % LAST };
    place as usize
}
