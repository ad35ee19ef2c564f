//! The threads that load plugins, two of them: a long load keeps one of them busy, and the other is free for short
//! ones.

use hottap_core::lock::lock;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::loader::{Job, Loader, NICENESS, Outcome, Step, or_refused};
use super::supervisor::Event;
use super::turns::Turns;
use crate::wasm::{WORKER_STACK, lower_priority};

/// Threads. With one, a compile of ten seconds would hold up everything else; more would only share the same few cores.
const LANES: usize = 2;

/// Takes jobs, and hands their results to the supervisor. When it is dropped, jobs that wait are forgotten.
pub(crate) struct Lanes(Arc<Shared>);

struct Shared {
    loader: Loader,
    results: Sender<Event>,
    began: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    turns: Turns<Step>,
    closed: bool,
}

impl Lanes {
    pub(crate) fn start(loader: Loader, results: Sender<Event>) -> std::io::Result<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let lanes = Self(Arc::new(Shared { loader, results, began: Instant::now(), state, changed }));
        for i in 0..LANES {
            let shared = lanes.0.clone();
            // Canaries run here, so it needs a worker's stack.
            std::thread::Builder::new().name(format!("hottap-load-{i}")).stack_size(WORKER_STACK).spawn(move || {
                lower_priority(NICENESS);
                shared.run();
            })?;
        }
        Ok(lanes)
    }

    /// Takes a job. Its result comes as [`Event::Loaded`], unless it is cancelled.
    pub(crate) fn add(&self, job: Job) {
        let mut state = self.0.lock();
        let (step, turn) = Step::first(job);
        state.turns.ask(step, self.0.began.elapsed(), turn.expected, turn.length);
        drop(state);
        self.0.changed.notify_all();
    }

    /// Forgets the jobs that were cancelled. One that is being worked on ends by itself: its guest is stopped, its
    /// compiler ended if that is a process of its own, and its result thrown away.
    pub(crate) fn forget_cancelled(&self) {
        self.0.lock().turns.keep(|step| !step.job().cancel.is_cancelled());
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let (step, length) = {
                let mut state = self.lock();
                loop {
                    if state.closed {
                        return;
                    }
                    match state.turns.take() {
                        Some(turn) => break turn,
                        None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                    }
                }
            };
            let job = step.job().clone();
            let done = if job.cancel.is_cancelled() { Outcome::Cancelled } else { self.step(step) };
            let mut state = self.lock();
            state.turns.over(length);
            if let Outcome::Again(step, turn) = done {
                state.turns.ask(*step, self.began.elapsed(), turn.expected, turn.length);
            } else if let Outcome::Done(result) = done {
                // Without a receiver the supervisor has ended.
                let _ = self.results.send(Event::Loaded(Box::new(job), result));
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Takes one step. A panic of the compiler or of this host is the job's failure, and the next job finds the thread
    /// alive.
    fn step(&self, step: Step) -> Outcome {
        let path = self.loader.path(&step.job().name);
        or_refused(path, || self.loader.step(step), |refusal| Outcome::Done(Err(refusal)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
