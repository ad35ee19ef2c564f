//! A native tracer that keeps every call, and knows that each that started has finished once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hottap::rpc::{Level, RpcInfo};
use hottap::{Builder, CallContext, Hottap, Tracer};
use tokio::sync::Notify;

/// When a test that waits for a finish gives up: long, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// How often each call that started has finished, by its id.
    finishes: HashMap<u64, u32>,
    finished: Vec<RpcInfo>,
}

impl Recorder {
    /// A Hottap with this tracer alone, that records all there is.
    pub(crate) fn start(&self, service: &str) -> Hottap {
        self.start_with(service, Level::Detailed)
    }

    pub(crate) fn start_with(&self, service: &str, level: Level) -> Hottap {
        self.started_by(Hottap::builder().service(service).native_level(level))
    }

    pub(crate) fn started_by(&self, builder: Builder) -> Hottap {
        builder.tracer(self.clone()).start().expect("starts")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test panics while it holds the lock")
    }

    /// Waits until so many calls have finished; gives them in the order in which they did.
    #[track_caller]
    pub(crate) fn finished(&self, count: usize) -> impl Future<Output = Vec<RpcInfo>> {
        let at = std::panic::Location::caller();
        let recorder = self.clone();
        async move {
            let enough = async {
                loop {
                    let changed = recorder.0.changed.notified();
                    let finished = recorder.state().finished.clone();
                    if finished.len() >= count {
                        return finished;
                    }
                    changed.await;
                }
            };
            match tokio::time::timeout(PATIENCE, enough).await {
                Ok(finished) => finished,
                Err(_) => {
                    let state = recorder.state();
                    let (begun, over) = (state.finishes.len(), state.finished.len());
                    panic!("at {at}: {over} of {count} calls have finished, and {begun} have begun")
                }
            }
        }
    }

    /// The only call there is.
    #[track_caller]
    pub(crate) fn one(&self) -> impl Future<Output = RpcInfo> {
        let finished = self.finished(1);
        async move {
            let mut finished = finished.await;
            assert_eq!(finished.len(), 1, "{finished:#?}");
            finished.remove(0)
        }
    }

    /// Every call that started has finished, once. To be asked when nothing runs any more.
    #[track_caller]
    pub(crate) fn assert_each_finished_once(&self) {
        for (id, times) in &self.state().finishes {
            assert_eq!(*times, 1, "call {id} has finished {times} times");
        }
    }
}

impl Tracer for Recorder {
    fn start(&self, call: &mut CallContext) {
        let earlier = self.state().finishes.insert(call.info().id(), 0);
        assert_eq!(earlier, None, "two calls have one id");
    }

    fn finish(&self, call: &CallContext) {
        let mut state = self.state();
        *state.finishes.entry(call.info().id()).or_default() += 1;
        state.finished.push(call.info().clone());
        drop(state);
        self.0.changed.notify_waiters();
    }
}
