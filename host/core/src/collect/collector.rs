//! The collector: one thread of Hottap's own that turns rows into batches, puts the messages of open streams in order,
//! and hands both to the plugins' queues.

use crate::lock::lock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::account::DropReason;
use super::batch::Batch;
use super::moment::{Moment, Moments};
use super::queue::Queue;
use super::shard::{Buffer, Counts, Shards};
use super::view::View;
use crate::live::{MAX_PLUGINS, Shown};
use crate::panics::{Place, caught};

/// Without calls for this long, the collector sleeps until the next one wakes it.
const IDLE: Duration = Duration::from_secs(1);
/// The longest sleep: a barrier or a row that was missed waits this long at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Where the calls and moments of one slot go.
pub trait Inbox: Send + Sync {
    /// The queue that they go to.
    fn queue(&self) -> &Queue;
    /// Which events the plugin sees.
    fn shown(&self) -> Shown;
    /// Something was put into the queue. Must not block.
    fn ready(self: Arc<Self>);
}

/// Says who gets the calls of which slot, and talks to the collector.
pub struct Collector {
    shards: Arc<Shards>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    inboxes: Mutex<Vec<Option<Arc<dyn Inbox>>>>,
    barriers: Mutex<Vec<Barrier>>,
}

struct Barrier {
    stop: bool,
    done: Sender<()>,
}

impl Collector {
    pub fn start(shards: Arc<Shards>, max_delay: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            inboxes: Mutex::new((0..MAX_PLUGINS).map(|_| None).collect()),
            barriers: Mutex::default(),
        });
        let (ready, is_ready) = channel();
        let thread = std::thread::Builder::new().name("hottap-collect".into()).spawn({
            let (shards, shared) = (shards.clone(), shared.clone());
            move || {
                shards.collect_on_this_thread();
                let _ = ready.send(());
                // A panic outside of a delivery: callers that wait at a barrier are let go, and the next round begins.
                while caught(Place::Collector, || run(&shards, &shared, max_delay)).is_err() {}
            }
        })?;
        // Rows that come from here on find somebody to wake.
        let _ = is_ready.recv();
        Ok(Self { shards, shared, thread: Mutex::new(Some(thread)) })
    }

    /// From here on the calls of a slot go to `inbox`, or nowhere.
    pub fn assign(&self, slot: usize, inbox: Option<Arc<dyn Inbox>>) {
        if let Some(place) = lock(&self.shared.inboxes).get_mut(slot) {
            *place = inbox;
        }
    }

    /// Returns when every call that finished before has been put into its plugins' queues.
    pub fn drain(&self) {
        let _ = self.barrier(false).recv();
    }

    /// Like [`drain`](Self::drain), then ends the thread. Calls that finish later are not collected.
    pub fn stop(&self) {
        let done = self.barrier(true);
        let _ = done.recv();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }

    fn barrier(&self, stop: bool) -> Receiver<()> {
        let (done, is_done) = channel();
        // After the thread has ended nobody answers, and dropping the sender ends the wait.
        if lock(&self.thread).is_some() {
            lock(&self.shared.barriers).push(Barrier { stop, done });
            self.shards.wake();
        }
        is_done
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The time between two looks at the buffers that are kept for reuse.
const TRIM_EVERY: Duration = Duration::from_secs(1);

fn run(shards: &Arc<Shards>, shared: &Shared, max_delay: Duration) {
    let mut buffers = Vec::new();
    let mut last_call = Instant::now();
    let mut trimmed = last_call;
    loop {
        let barriers = std::mem::take(&mut *lock(&shared.barriers));
        shards.take(&mut buffers);
        if !buffers.is_empty() {
            last_call = Instant::now();
            let _ = caught(Place::Collector, || deliver(shards, shared, std::mem::take(&mut buffers)));
        }
        if trimmed.elapsed() >= TRIM_EVERY {
            shards.trim();
            trimmed = Instant::now();
        }
        let stop = barriers.iter().any(|barrier| barrier.stop);
        for barrier in barriers {
            let _ = barrier.done.send(());
        }
        if stop {
            return;
        }
        if last_call.elapsed() < IDLE {
            std::thread::park_timeout(max_delay);
            continue;
        }
        // Asleep is said before the last look, so a row that this look misses sees it and wakes.
        shards.set_asleep(true);
        shards.take(&mut buffers);
        if buffers.is_empty() && lock(&shared.barriers).is_empty() {
            std::thread::park_timeout(LONGEST_SLEEP);
        }
        shards.set_asleep(false);
    }
}

/// What the RPCs' threads have counted for one slot.
#[derive(Clone, Copy, Default)]
struct Counted {
    finished: u64,
    full: u64,
    observed: u64,
    lost: u64,
}

fn deliver(shards: &Arc<Shards>, shared: &Shared, buffers: Vec<Buffer>) {
    let mut counts = [Counted::default(); MAX_PLUGINS];
    let mut count = |of: &Counts, term: fn(&mut Counted) -> &mut u64| {
        for (mask, count) in of.iter() {
            mask.slots().for_each(|slot| *term(&mut counts[slot]) += count);
        }
    };
    for buffer in &buffers {
        count(&buffer.finished, |slot| &mut slot.finished);
        count(&buffer.full, |slot| &mut slot.full);
        count(&buffer.observed, |slot| &mut slot.observed);
        count(&buffer.lost, |slot| &mut slot.lost);
    }
    // What a panic leaves of these is nothing: then each call and moment is booked as dropped.
    let (moments, batches) =
        caught(Place::Collector, || (in_order(&buffers), Batch::from_buffers(buffers, shards))).unwrap_or_default();
    let inboxes = lock(&shared.inboxes);
    for (slot, counted) in counts.into_iter().enumerate().filter(|(_, slot)| slot.finished > 0 || slot.observed > 0) {
        let Some(inbox) = inboxes.get(slot).cloned().flatten() else { continue };
        let work = caught(Place::Collector, || {
            let pieces: Vec<Moments> = Moments::of(&moments, slot).collect();
            let shown = inbox.shown();
            let views: Vec<View> = batches.iter().filter_map(|batch| View::new(batch, slot, shown.clone())).collect();
            (pieces, views)
        });
        let (pieces, views) = work.unwrap_or_default();
        let rows: u64 = views.iter().map(|view| view.len() as u64).sum();
        let messages = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        inbox.queue().account().book(|terms| {
            terms.finished += counted.finished;
            terms.pending += rows;
            terms.dropped.add(DropReason::BufferFull, counted.full);
            terms.dropped.add(DropReason::Panic, counted.finished.saturating_sub(counted.full + rows));
            terms.moments.observed += counted.observed;
            terms.moments.pending += messages;
            terms.moments.dropped.add(DropReason::BufferFull, counted.lost);
            terms.moments.dropped.add(DropReason::Panic, counted.observed.saturating_sub(counted.lost + messages));
        });
        // First what happened in calls, then the calls that have finished since.
        pieces.into_iter().for_each(|piece| inbox.queue().push_moments(piece));
        views.into_iter().for_each(|view| inbox.queue().push(view));
        inbox.ready();
    }
}

/// The moments of all threads in the order of their times; equal times keep a thread's order. Each thread's own are
/// nearly in order, which this sort is quick at.
fn in_order(buffers: &[Buffer]) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(buffers.iter().map(|buffer| buffer.moments.len()).sum());
    buffers.iter().for_each(|buffer| moments.extend_from_slice(&buffer.moments));
    moments.sort_by_key(|moment| moment.time);
    moments
}

#[cfg(test)]
mod tests {
    use super::super::account::{Account, Terms};
    use super::*;
    use crate::live::Mask;
    use crate::rpc::{Level, Method, RpcInfo, RpcStats, Side, Symbol, TraceContext};

    /// A queue, and whether its plugin is well.
    struct Slot(Queue, bool);

    impl Inbox for Slot {
        fn queue(&self) -> &Queue {
            &self.0
        }

        fn shown(&self) -> Shown {
            assert!(self.1, "an odd plugin");
            Shown::of_all(Level::Base)
        }

        fn ready(self: Arc<Self>) {}
    }

    #[test]
    fn a_panic_while_calls_are_put_together_is_booked_and_the_other_plugins_get_theirs() {
        let inbox = |is_well| {
            Arc::new(Slot(Queue::new(Arc::new(Account::default()), &crate::budget::Budget::unlimited()), is_well))
        };
        let (odd, well) = (inbox(false), inbox(true));
        let inboxes: Vec<Option<Arc<dyn Inbox>>> = vec![Some(odd.clone()), Some(well.clone())];
        let shared = Shared { inboxes: Mutex::new(inboxes), barriers: Mutex::default() };
        let mut buffer = Buffer::new();
        for call in 0..7 {
            let method = Symbol::OTHER;
            let stats = RpcStats::new(Level::Base, 0, 0);
            let info = RpcInfo::new(call, Side::Server, Method::known(method), TraceContext::root(), stats);
            buffer.write(&info, method, Mask::one(0).or(Mask::one(1)));
        }
        deliver(&Arc::default(), &shared, vec![buffer]);
        let (odd, well) = (odd.0.account().terms(), well.0.account().terms());
        let dropped = |terms: Terms| terms.dropped.iter().map(|(_, calls)| calls).sum::<u64>();
        assert_eq!((odd.finished, odd.pending, dropped(odd)), (7, 0, 7));
        assert_eq!((well.finished, well.pending, dropped(well)), (7, 7, 0));
    }
}
