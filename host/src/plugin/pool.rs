//! The few threads that run guests: a plugin runs on one of them at a time, whenever it has something to do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::worker::Worker;

/// Workers give way to the RPCs' threads.
const NICENESS: i32 = 5;

/// Lowers the priority of the calling thread; where that is not allowed, it stays as it is.
pub(crate) fn lower_priority(niceness: i32) {
    // On Linux a thread has a priority of its own, and its id names it.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness);
}

/// The threads, who is to run, and who is to run later.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Arc<Worker>>,
    later: BinaryHeap<Reverse<Alarm>>,
    sequence: u64,
    stopped: bool,
}

struct Alarm {
    at: Instant,
    sequence: u64,
    worker: Arc<Worker>,
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// Lets a worker ask to be run.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Shared>);

impl Handle {
    pub(crate) fn run(&self, worker: Arc<Worker>) {
        lock(&self.0.queue).ready.push_back(worker);
        self.0.changed.notify_one();
    }
}

impl Pool {
    /// Threads for a quarter of the cores, at least one.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared::default());
        let threads = (0..(cores / 4).max(1))
            .map(|i| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("hottap-work-{i}"))
                    .stack_size(crate::wasm::WORKER_STACK)
                    .spawn(move || {
                        lower_priority(NICENESS);
                        shared.work();
                    })
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { shared, threads: Mutex::new(threads) })
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Ends the threads after the turns that they are in.
    pub(crate) fn stop(&self) {
        lock(&self.shared.queue).stopped = true;
        self.shared.changed.notify_all();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self) {
        while let Some(worker) = self.next() {
            if let Some(at) = worker.turn() {
                let mut queue = lock(&self.queue);
                queue.sequence += 1;
                let sequence = queue.sequence;
                queue.later.push(Reverse(Alarm { at, sequence, worker }));
                // Another thread may be asleep until a later alarm, and this one may get a long turn before this alarm.
                if queue.later.peek().is_some_and(|Reverse(first)| first.sequence == sequence) {
                    self.changed.notify_one();
                }
            }
        }
    }

    /// Waits for somebody to run. None when the pool has stopped.
    fn next(&self) -> Option<Arc<Worker>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopped {
                return None;
            }
            let now = Instant::now();
            while let Some(Reverse(alarm)) = queue.later.peek()
                && alarm.at <= now
            {
                if let Some(Reverse(alarm)) = queue.later.pop()
                    && alarm.worker.alarm(alarm.at)
                {
                    queue.ready.push_back(alarm.worker);
                }
            }
            if let Some(worker) = queue.ready.pop_front() {
                return Some(worker);
            }
            queue = match queue.later.peek().map(|Reverse(alarm)| alarm.at.saturating_duration_since(now)) {
                Some(wait) => self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
