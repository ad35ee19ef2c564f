//! The few threads that run guests: a plugin runs on one of them at a time, whenever it has something to do.

use hottap_core::lock::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::share::Share;
use super::worker::Worker;
use crate::wasm::{lower_priority, thread_cpu_time};
use hottap_core::panics::{Place, caught};

/// Workers give way to the RPCs' threads.
const NICENESS: i32 = 5;

/// The share of a core that the slow lane may use: what goes wrong in it takes little from the RPCs' threads, whatever
/// the number of plugins in it.
const SLOW_SHARE: f64 = 0.5;

/// The time that a worker waits at most while others go before it.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// The threads on which a worker gets its turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Plugins in good health: no call takes long.
    Fast,
    /// Plugins whose instances are being made, whose calls take long, or failed lately.
    Slow,
}

/// The threads, the workers that are to run, and those that are to run later.
pub(crate) struct Pool {
    lanes: Handle,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    lane: Lane,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Since when they are ready.
    ready: VecDeque<(Instant, Arc<Worker>)>,
    /// The times at which workers are to run next, each worker once: there are no more of them than plugins, so they are
    /// looked through.
    later: Vec<(Instant, Arc<Worker>)>,
    /// The CPU time that the lane may use; none if it is not limited.
    share: Option<Share>,
    stopped: bool,
}

impl Queue {
    /// The time at which the next of the workers that are to run later is due.
    fn due(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).min()
    }

    /// Takes out the worker whose turn it is: the first by precedence, unless another has waited too long.
    fn first(&mut self, lane: Lane, now: Instant) -> Option<Arc<Worker>> {
        let has_waited = |(since, _): &(Instant, _)| now.saturating_duration_since(*since) >= LONGEST_WAIT;
        if self.ready.front().is_some_and(has_waited) {
            return self.ready.pop_front().map(|(_, worker)| worker);
        }
        let first = self.ready.iter().enumerate().min_by_key(|(_, (_, worker))| worker.precedence(lane));
        let index = first.map(|(index, _)| index)?;
        self.ready.remove(index).map(|(_, worker)| worker)
    }
}

/// Lets a worker ask to be run.
#[derive(Clone)]
pub(crate) struct Handle {
    fast: Arc<Shared>,
    slow: Arc<Shared>,
    is_hurried: Arc<AtomicBool>,
}

impl Handle {
    fn new(now: Instant) -> Self {
        let share = Some(Share::new(now, SLOW_SHARE));
        let shared = |lane, share| {
            let queue = Mutex::new(Queue { share, ..Queue::default() });
            Arc::new(Shared { lane, queue, changed: Condvar::new() })
        };
        Self { fast: shared(Lane::Fast, None), slow: shared(Lane::Slow, share), is_hurried: Arc::default() }
    }

    fn lane(&self, lane: Lane) -> &Shared {
        match lane {
            Lane::Fast => &self.fast,
            Lane::Slow => &self.slow,
        }
    }

    pub(crate) fn run(&self, worker: Arc<Worker>) {
        let lane = self.lane(worker.lane());
        lock(&lane.queue).ready.push_back((Instant::now(), worker));
        lane.changed.notify_one();
    }

    /// Wakes a worker at `at`, or not at all; what was said before of it is void.
    pub(crate) fn wake(&self, worker: &Arc<Worker>, at: Option<Instant>) {
        for lane in [&self.fast, &self.slow] {
            lock(&lane.queue).later.retain(|(_, other)| !Arc::ptr_eq(other, worker));
        }
        let Some(at) = at else { return };
        let lane = self.lane(worker.lane());
        let mut queue = lock(&lane.queue);
        // Another thread may be asleep until a later time, and this one may get a long turn before that.
        let is_first = queue.due().is_none_or(|due| at < due);
        queue.later.push((at, worker.clone()));
        drop(queue);
        if is_first {
            lane.changed.notify_one();
        }
    }

    /// From here on the slow lane uses all the time that it needs: the host ends, and waits for it.
    pub(crate) fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Relaxed);
        lock(&self.slow.queue).share = None;
        self.slow.changed.notify_all();
    }

    /// Returns true if the host ends.
    pub(crate) fn is_hurried(&self) -> bool {
        self.is_hurried.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        for lane in [&self.fast, &self.slow] {
            lock(&lane.queue).stopped = true;
            lane.changed.notify_all();
        }
    }
}

impl Pool {
    /// Threads for a quarter of the cores, at least one, and one for the slow lane.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Self { lanes: Handle::new(Instant::now()), threads: Mutex::default() };
        let fast = (0..(cores / 4).max(1)).map(|i| (format!("hottap-work-{i}"), &pool.lanes.fast));
        for (name, lane) in fast.chain([("hottap-slow".to_owned(), &pool.lanes.slow)]) {
            let shared = lane.clone();
            let thread =
                std::thread::Builder::new().name(name).stack_size(crate::wasm::WORKER_STACK).spawn(move || {
                    lower_priority(NICENESS);
                    while caught(Place::Worker, || shared.work()).is_err() {}
                })?;
            lock(&pool.threads).push(thread);
        }
        Ok(pool)
    }

    pub(crate) fn handle(&self) -> Handle {
        self.lanes.clone()
    }

    /// Ends the threads when no worker asks for a turn any more.
    pub(crate) fn stop(&self) {
        self.lanes.stop();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

/// A plugin that has not ended in time is not waited for: the threads end after it.
impl Drop for Pool {
    fn drop(&mut self) {
        self.lanes.stop();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(worker) = self.next() {
            let cpu = thread_cpu_time();
            if let Err(panic) = caught(Place::Worker, || worker.turn(self.lane)) {
                worker.panicked(panic);
            }
            drop(worker);
            if self.lane == Lane::Slow {
                let used = thread_cpu_time().saturating_sub(cpu);
                if let Some(share) = &mut lock(&self.queue).share {
                    share.charge(Instant::now(), used);
                }
            }
        }
    }

    /// Waits for a worker that is to run. None when the pool has stopped.
    fn next(&self) -> Option<Arc<Worker>> {
        let mut queue = lock(&self.queue);
        loop {
            let now = Instant::now();
            let Queue { ready, later, .. } = &mut *queue;
            let due = later.extract_if(.., |(at, _)| *at <= now).map(|(_, worker)| worker);
            ready.extend(due.filter(|worker| worker.is_wanted()).map(|worker| (now, worker)));
            let resting = queue.share.as_mut().and_then(|share| {
                share.may_run(now);
                share.next_run(now)
            });
            if resting.is_none()
                && let Some(worker) = queue.first(self.lane, now)
            {
                return Some(worker);
            }
            if queue.stopped {
                queue.later.clear();
                return None;
            }
            let until = resting.or_else(|| queue.due());
            queue = match until.map(|until| until.saturating_duration_since(now)) {
                Some(wait) => self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
