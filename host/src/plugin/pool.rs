//! The few threads that run guests: a plugin runs on one of them at a time, whenever it has something to do.

use std::collections::VecDeque;
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
    /// When who is to run next, each worker once: there are no more of them than plugins, so they are looked through.
    later: Vec<(Instant, Arc<Worker>)>,
    stopped: bool,
}

impl Queue {
    /// When the first of those is due who are to run later.
    fn due(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).min()
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

    /// Wakes a worker at `at`, or not at all; what was said before of it is void.
    pub(crate) fn wake(&self, worker: &Arc<Worker>, at: Option<Instant>) {
        let mut queue = lock(&self.0.queue);
        queue.later.retain(|(_, other)| !Arc::ptr_eq(other, worker));
        let Some(at) = at else { return };
        // Another thread may be asleep until a later time, and this one may get a long turn before that.
        let is_first = queue.due().is_none_or(|due| at < due);
        queue.later.push((at, worker.clone()));
        drop(queue);
        if is_first {
            self.0.changed.notify_one();
        }
    }
}

impl Pool {
    /// Threads for a quarter of the cores, at least one.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Self { shared: Arc::default(), threads: Mutex::default() };
        for i in 0..(cores / 4).max(1) {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("hottap-work-{i}"))
                .stack_size(crate::wasm::WORKER_STACK)
                .spawn(move || {
                    lower_priority(NICENESS);
                    shared.work();
                })?;
            lock(&pool.threads).push(thread);
        }
        Ok(pool)
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Ends the threads when nobody asks for a turn any more.
    pub(crate) fn stop(&self) {
        self.shared.stop();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

/// Nobody waits for a plugin that has not ended in time: the threads end after it.
impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(worker) = self.next() {
            worker.turn();
        }
    }

    fn stop(&self) {
        lock(&self.queue).stopped = true;
        self.changed.notify_all();
    }

    /// Waits for somebody to run. None when the pool has stopped.
    fn next(&self) -> Option<Arc<Worker>> {
        let mut queue = lock(&self.queue);
        loop {
            let now = Instant::now();
            let Queue { ready, later, .. } = &mut *queue;
            let due = later.extract_if(.., |(at, _)| *at <= now).map(|(_, worker)| worker);
            ready.extend(due.filter(|worker| worker.is_wanted()));
            if let Some(worker) = queue.ready.pop_front() {
                return Some(worker);
            }
            if queue.stopped {
                queue.later.clear();
                return None;
            }
            queue = match queue.due().map(|due| due.saturating_duration_since(now)) {
                Some(wait) => self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
