//! Where an RPC thread puts its rows: a buffer of its own, which only the collector ever takes from it.

use crate::lock::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::Thread;

use super::arena;
use super::moment::Moment;
use super::row::Row;
use crate::live::Mask;
use crate::rpc::{RpcInfo, Symbol};

/// Rows in a shard at which the collector is woken. It makes the batches' size under load.
pub(crate) const WAKE_AT: usize = 1_024;
/// Rows that a shard holds at most (2 MiB); one more is dropped and counted. It lasts for 40 ms at 200,000 calls a
/// second on one thread, and the collector comes every 20 ms.
const MAX_ROWS: usize = 8_192;
/// Rows that a buffer begins with.
const MIN_ROWS: usize = 32;
/// Moments in a shard at which the collector is woken: 50,000 messages a second on one thread.
const WAKE_AT_MOMENTS: usize = 1_024;
/// Moments that a shard holds at most (768 KiB); one more is dropped and counted. It lasts for 16 ms at a million
/// messages a second on one thread, and the collector is woken long before.
const MAX_MOMENTS: usize = 16_384;
/// Buffers with room for more moments than these are kept without it.
const MAX_SPARE_MOMENTS: usize = 4_096;
/// Arena bytes that a shard holds at most.
const MAX_ARENA: usize = 4 << 20;
/// Buffers kept for reuse, so that a steady state allocates nothing. A plugin keeps what it was handed until its next
/// flush, a second by default: at 20 ms a look, some fifty buffers of each RPC thread.
const MAX_SPARE: usize = 512;
/// Bytes of rows and arenas in the buffers kept for reuse. Buffers of a few rows have touched little memory, and all of them are
/// kept; of full ones (half a megabyte) there are 32.
const MAX_SPARE_BYTES: usize = 16 << 20;
/// Buffers that are kept though none of them was needed for a second: a service has quieter and busier seconds.
const LEAST_SPARE: usize = 16;
/// Buffers that grew beyond this (half a megabyte: 100,000 calls a second on one thread) are not kept.
const MAX_SPARE_ROWS: usize = 2_048;
const MAX_SPARE_ARENA: usize = 256 << 10;

/// How many calls, or moments, had a mask: what the RPC's thread counts, apart from what it writes.
#[derive(Default)]
pub(crate) struct Counts(Vec<(Mask, u64)>);

impl Counts {
    #[inline]
    fn add(&mut self, mask: Mask) {
        // Calls of one thread mostly have the same mask as the one before.
        match self.0.last_mut() {
            Some((last, count)) if *last == mask => *count += 1,
            _ => match self.0.iter_mut().find(|(known, _)| *known == mask) {
                Some((_, count)) => *count += 1,
                None => self.0.push((mask, 1)),
            },
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Mask, u64)> {
        self.0.iter().copied()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Rows of one thread, their arena, and what was counted beside them.
pub struct Buffer {
    rows: Vec<Row>,
    /// How many of the rows are there; those after them are old ones, to be written over. A row that is written where it
    /// stays is written once.
    used: usize,
    pub(crate) arena: Vec<u8>,
    /// Every finished call with a plugin in its scope.
    pub(crate) finished: Counts,
    /// Those of them that found the buffer full.
    pub(crate) full: Counts,
    /// Messages on open streams. Without a plugin that follows streams there is no memory behind it.
    pub(crate) moments: Vec<Moment>,
    /// Every moment with a plugin that follows its call.
    pub(crate) observed: Counts,
    /// Those of them that found the buffer full.
    pub(crate) lost: Counts,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::with_capacity(2 * WAKE_AT),
            used: 0,
            arena: Vec::with_capacity(16 << 10),
            finished: Counts(Vec::with_capacity(8)),
            full: Counts::default(),
            moments: Vec::new(),
            observed: Counts::default(),
            lost: Counts::default(),
        }
    }

    /// The rows, in the order in which they were written.
    pub(crate) fn rows(&self) -> &[Row] {
        self.rows.get(..self.used).unwrap_or_default()
    }

    /// Writes the row of a finished call. True if the collector should come.
    #[inline]
    pub fn write(&mut self, info: &RpcInfo, method: Symbol, mask: Mask) -> bool {
        self.finished.add(mask);
        if self.used >= MAX_ROWS || self.arena.len() >= MAX_ARENA {
            self.full.add(mask);
            return false;
        }
        if self.used == self.rows.len() {
            self.grow();
        }
        if let Some(row) = self.rows.get_mut(self.used) {
            *row = Row::new(info, method, mask);
            arena::write(&mut self.arena, row, info);
            self.used += 1;
        }
        self.used == WAKE_AT
    }

    /// Writes a message on an open stream. True if the collector should come.
    #[inline]
    pub(crate) fn write_moment(&mut self, moment: Moment) -> bool {
        self.observed.add(moment.mask);
        if self.moments.len() >= MAX_MOMENTS {
            self.lost.add(moment.mask);
            return false;
        }
        self.moments.push(moment);
        self.moments.len() == WAKE_AT_MOMENTS
    }

    /// Bytes of rows that were ever written, and of the arena: the rest of the rows' allocation takes addresses, not
    /// memory.
    fn touched(&self) -> usize {
        size_of_val(&*self.rows) + self.arena.capacity()
    }

    /// Nothing happened that anybody has to be told of.
    fn is_untouched(&self) -> bool {
        self.finished.0.is_empty() && self.observed.0.is_empty()
    }

    /// Makes room for as many rows again. Within the capacity that every buffer has, this only touches memory.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.rows.resize_with((2 * self.rows.len()).max(MIN_ROWS), Row::default);
    }
}

/// The buffer of one RPC thread.
pub(crate) struct Shard {
    buffer: Mutex<Buffer>,
    shards: Arc<Wake>,
}

impl Shard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Buffer> {
        lock(&self.buffer)
    }

    /// Wakes the collector if it sleeps, or if `now` says that there is enough for a batch.
    #[inline]
    pub(crate) fn wake(&self, now: bool) {
        // The lock that was just given back orders this load after the collector's store: it either saw the row or is
        // seen asleep.
        if now || self.shards.asleep.load(Ordering::Relaxed) {
            self.shards.wake();
        }
    }

    /// Moments are written from here on. Said before the lock that the first one is written under.
    #[inline]
    pub(crate) fn follow(&self) {
        if !self.shards.followed.load(Ordering::Relaxed) {
            self.shards.followed.store(true, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
struct Wake {
    asleep: AtomicBool,
    /// There has been a moment.
    followed: AtomicBool,
    collector: OnceLock<Thread>,
}

impl Wake {
    fn wake(&self) {
        if let Some(collector) = self.collector.get() {
            self.asleep.store(false, Ordering::Relaxed);
            collector.unpark();
        }
    }
}

/// Empty buffers for the next use.
#[derive(Default)]
struct Spare {
    buffers: Vec<Buffer>,
    /// Of rows and arenas in them.
    bytes: usize,
    /// The least number of them since the last [`Shards::trim`]: so many were not needed.
    least: usize,
}

/// The shards of all threads, and the buffers that wait to be used again.
#[derive(Default)]
pub struct Shards {
    all: Mutex<Vec<Arc<Shard>>>,
    spare: Mutex<Spare>,
    wake: Arc<Wake>,
}

impl Shards {
    /// A shard for a thread that finishes its first call.
    pub(crate) fn register(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard { buffer: Mutex::new(self.spare()), shards: self.wake.clone() });
        lock(&self.all).push(shard.clone());
        shard
    }

    /// From here on the calling thread is the collector, which [`Shard::wake`] wakes.
    pub(crate) fn collect_on_this_thread(&self) {
        let _ = self.wake.collector.set(std::thread::current());
    }

    /// Says whether the collector sleeps until it is woken. Saying so comes before looking a last time.
    pub(crate) fn set_asleep(&self, asleep: bool) {
        self.wake.asleep.store(asleep, Ordering::Relaxed);
    }

    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    /// Takes what every shard holds: with a call that has finished all messages that it had before. Each lock is held for
    /// a swap of pointers.
    pub(crate) fn take(&self, into: &mut Vec<Buffer>) {
        let before = into.len();
        self.take_all(into);
        // A call's bodies may have been moved by other threads than the one that ended it, whose shards may have been
        // taken a moment before they wrote. So who has a row looks for moments once more.
        let taken = into.get(before..).unwrap_or_default();
        if self.wake.followed.load(Ordering::Relaxed) && taken.iter().any(|buffer| buffer.used > 0) {
            self.take_moments(into);
        }
    }

    fn take_moments(&self, into: &mut Vec<Buffer>) {
        let shards = lock(&self.all);
        for shard in shards.iter() {
            let mut buffer = shard.lock();
            if !buffer.observed.0.is_empty() {
                let mut more = self.spare();
                std::mem::swap(&mut more.moments, &mut buffer.moments);
                std::mem::swap(&mut more.observed, &mut buffer.observed);
                std::mem::swap(&mut more.lost, &mut buffer.lost);
                into.push(more);
            }
        }
    }

    fn take_all(&self, into: &mut Vec<Buffer>) {
        let mut fresh = self.spare();
        lock(&self.all).retain(|shard| {
            // A thread that has ended left its shard to us alone: after this look nothing more comes.
            let alive = Arc::strong_count(shard) > 1;
            let mut buffer = shard.lock();
            // Calls that found no room for a row are counted all the same.
            if !buffer.is_untouched() {
                into.push(std::mem::replace(&mut *buffer, std::mem::replace(&mut fresh, self.spare())));
            }
            alive
        });
        self.recycle(fresh);
    }

    pub fn spare(&self) -> Buffer {
        let mut spare = lock(&self.spare);
        let Some(buffer) = spare.buffers.pop() else { return Buffer::new() };
        spare.bytes -= buffer.touched();
        spare.least = spare.least.min(spare.buffers.len());
        buffer
    }

    /// Gives back the buffers that were not needed since the last call. To be called once a second: what was kept for a
    /// plugin that did not keep up is given back within two seconds after it does.
    pub(crate) fn trim(&self) {
        let mut spare = lock(&self.spare);
        let unused = spare.least.saturating_sub(LEAST_SPARE);
        // The first ones: those that were used last stand at the end.
        let gone: Vec<Buffer> = spare.buffers.drain(..unused).collect();
        spare.bytes -= gone.iter().map(Buffer::touched).sum::<usize>();
        spare.least = spare.buffers.len();
        drop(spare);
    }

    /// Keeps a buffer for the next use.
    pub(crate) fn recycle(&self, mut buffer: Buffer) {
        if buffer.rows.capacity() > MAX_SPARE_ROWS || buffer.arena.capacity() > MAX_SPARE_ARENA {
            return;
        }
        buffer.used = 0;
        buffer.arena.clear();
        buffer.finished.clear();
        buffer.full.clear();
        buffer.moments.clear();
        buffer.moments.shrink_to(MAX_SPARE_MOMENTS);
        buffer.observed.clear();
        buffer.lost.clear();
        let mut spare = lock(&self.spare);
        if spare.buffers.len() < MAX_SPARE && spare.bytes + buffer.touched() <= MAX_SPARE_BYTES {
            spare.bytes += buffer.touched();
            spare.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::rpc::{Level, Method, RpcStats, Side, TraceContext};

    /// As many as fit the buffers, whoever is slow.
    const CALLS: u64 = 5_000;

    #[test]
    fn a_calls_messages_are_taken_no_later_than_the_call() {
        let shards = Shards::default();
        let (one, other) = (shards.register(), shards.register());
        let (passed, has_passed) = channel();
        std::thread::scope(|threads| {
            threads.spawn(move || {
                for call in 0..CALLS {
                    one.follow();
                    let moment = Moment { mask: Mask::one(0), call, time: call, size: 5, method: 0, kind: 20 };
                    one.lock().write_moment(moment);
                    passed.send(call).expect("somebody ends the call");
                }
            });
            threads.spawn(move || {
                for call in has_passed {
                    let method = Symbol::OTHER;
                    let stats = RpcStats::new(Level::Base, 0, 0);
                    let info = RpcInfo::new(call, Side::Server, Method::known(method), TraceContext::root(), stats);
                    other.lock().write(&info, method, Mask::one(0));
                }
            });
            let (mut messages, mut calls) = (0, 0);
            while calls < CALLS {
                let mut buffers = Vec::new();
                shards.take(&mut buffers);
                messages += buffers.iter().map(|buffer| buffer.moments.len() as u64).sum::<u64>();
                calls += buffers.iter().map(|buffer| buffer.rows().len() as u64).sum::<u64>();
                assert!(messages >= calls, "{calls} calls and {messages} of their messages");
                buffers.into_iter().for_each(|buffer| shards.recycle(buffer));
            }
            assert_eq!((messages, calls), (CALLS, CALLS));
        });
    }
}
