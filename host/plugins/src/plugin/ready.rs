//! The wait for the plugins that the plugin dir holds at the start, for async code on any executor and for plain threads.

use hottap_core::lock::lock;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::startup::{NotReady, Startup};
use hottap_core::panics::{Place, caught};

/// The future of `Hottap::ready`; [`wait`](Self::wait) is for code that is not async.
///
/// Needs no runtime: while it waits, a thread of its own keeps the time and wakes the task. Cancel safe: dropping it
/// ends that thread and changes nothing else.
#[must_use = "nothing waits until it is awaited, or until `wait` is called"]
pub struct Ready {
    /// None if there are no plugins to wait for.
    startup: Option<Arc<Startup>>,
    /// None if the time-out is longer than the system's clock can tell.
    deadline: Option<Instant>,
    waiter: Option<Arc<Waiter>>,
}

/// The state that the future and the thread that waits for it share.
#[derive(Default)]
struct Waiter {
    is_dropped: AtomicBool,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    waker: Option<Waker>,
    result: Option<Result<(), NotReady>>,
}

impl Ready {
    #[doc(hidden)]
    pub fn new(startup: Option<Arc<Startup>>, timeout: Duration) -> Self {
        Self { startup, deadline: Instant::now().checked_add(timeout), waiter: None }
    }

    /// Waits on this thread, and not longer than the time-out. In async code, await the future instead: this would block
    /// the executor.
    ///
    /// # Errors
    /// As `Hottap::ready`.
    pub fn wait(self) -> Result<(), NotReady> {
        match &self.startup {
            Some(startup) => startup.wait(self.deadline, &AtomicBool::new(false)),
            None => Ok(()),
        }
    }
}

impl Future for Ready {
    type Output = Result<(), NotReady>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(startup) = self.startup.clone() else { return Poll::Ready(Ok(())) };
        let waiter = match &self.waiter {
            Some(waiter) => waiter.clone(),
            None => {
                // Where nothing has to be waited for, no thread is needed.
                if let Some(result) = startup.at_once() {
                    return Poll::Ready(result);
                }
                match Waiter::start(startup, self.deadline) {
                    Ok(waiter) => self.waiter.insert(waiter).clone(),
                    Err(error) => {
                        let reason = format!("the system gives no thread to wait on: {error}");
                        return Poll::Ready(Err(NotReady::unknown(&reason, false)));
                    }
                }
            }
        };
        let mut outcome = lock(&waiter.outcome);
        match outcome.result.clone() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Waiter {
    fn start(startup: Arc<Startup>, deadline: Option<Instant>) -> std::io::Result<Arc<Self>> {
        let waiter = Arc::new(Self::default());
        std::thread::Builder::new().name("hottap-ready".into()).spawn({
            let waiter = waiter.clone();
            move || {
                let wait = || startup.wait(deadline, &waiter.is_dropped);
                let result = caught(Place::Ready, wait)
                    .unwrap_or_else(|panic| Err(NotReady::unknown(&panic.to_string(), false)));
                let waker = {
                    let mut outcome = lock(&waiter.outcome);
                    outcome.result = Some(result);
                    outcome.waker.take()
                };
                if let Some(waker) = waker {
                    // The executor's own code.
                    let _ = caught(Place::Ready, || waker.wake());
                }
            }
        })?;
        Ok(waiter)
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let (Some(startup), Some(waiter)) = (&self.startup, &self.waiter) {
            waiter.is_dropped.store(true, Ordering::Release);
            startup.changed();
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;
    use std::thread::Thread;

    use super::super::books::{Books, Problem, State};
    use super::super::name::Name;
    use super::*;

    /// Longer than anything here takes; only a test that fails waits for it.
    const PATIENCE: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(30);

    struct Parked(Thread);

    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// The simplest of executors.
    fn block_on(mut ready: Ready) -> Result<(), NotReady> {
        let waker = Waker::from(Arc::new(Parked(std::thread::current())));
        loop {
            match Pin::new(&mut ready).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    struct Desk {
        books: Arc<Books>,
        startup: Arc<Startup>,
    }

    impl Desk {
        fn new() -> Self {
            let books = Arc::new(Books::default());
            Self { startup: Arc::new(Startup::new(books.clone())), books }
        }

        /// Plugins that the first look has found.
        fn holding(names: &[&str]) -> Self {
            let desk = Self::new();
            names.iter().for_each(|name| desk.enter(name, State::Loading));
            desk.startup.found(|| Ok(names.iter().map(|name| Name::new(name).expect("valid")).collect()));
            desk
        }

        fn enter(&self, name: &str, state: State) {
            let book = self.books.open(&Name::new(name).expect("valid"));
            let mut current = book.current();
            if state == State::Refused {
                let message = "it has no tracer in it".to_owned();
                current.problem = Some(Problem { message, what_to_do: String::new(), meanwhile: String::new(), at: 0 });
            }
            current.enter(state, 1);
            drop(current);
            self.startup.changed();
        }

        fn ready(&self, timeout: Duration) -> Ready {
            Ready::new(Some(self.startup.clone()), timeout)
        }

        /// The answer, which has to be the same on a thread and in a task.
        #[track_caller]
        fn both(&self, timeout: Duration) -> Result<(), String> {
            let told = |result: Result<(), NotReady>| result.map_err(|error| error.to_string());
            let (on_a_thread, in_a_task) = (told(self.ready(timeout).wait()), told(block_on(self.ready(timeout))));
            assert_eq!(on_a_thread, in_a_task);
            on_a_thread
        }
    }

    #[test]
    fn each_plugin_is_live_refused_or_not_wanted_in_the_end() {
        let refused = "not every plugin is live: a: it has no tracer in it";
        for (a, b, expected) in [
            (State::Live, State::Live, Ok(())),
            (State::Live, State::Disabled, Ok(())),
            (State::Paused, State::Live, Ok(())),
            (State::Removed, State::Live, Ok(())),
            (State::Refused, State::Live, Err(refused.to_owned())),
            (State::Refused, State::Stopped, Err(format!("{refused}; b: Hottap was shut down"))),
        ] {
            let desk = Desk::holding(&["a", "b"]);
            desk.enter("a", a);
            desk.enter("b", b);
            assert_eq!(desk.both(PATIENCE), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn nothing_to_wait_for_is_ready_at_once_and_without_a_thread() {
        assert_eq!(Desk::holding(&[]).both(Duration::ZERO), Ok(()));
        for startup in [None, Some(Desk::holding(&[]).startup)] {
            let mut ready = Ready::new(startup, Duration::ZERO);
            let poll = Pin::new(&mut ready).poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll == Poll::Ready(Ok(())) && ready.waiter.is_none());
        }
    }

    #[test]
    fn it_waits_for_the_last_one_and_names_what_was_refused() {
        for in_a_task in [false, true] {
            let desk = Desk::holding(&["a", "b"]);
            desk.enter("a", State::Refused);
            let ready = desk.ready(PATIENCE);
            let waiting = std::thread::spawn(move || if in_a_task { block_on(ready) } else { ready.wait() });
            desk.enter("b", State::Live);
            let error = waiting.join().expect("no panic").expect_err("one was refused");
            assert_eq!(error.plugins().collect::<Vec<_>>(), [("a", "it has no tracer in it")]);
            assert!(!error.timed_out());
        }
    }

    #[test]
    fn it_never_waits_longer_than_it_was_told_to() {
        let began = Instant::now();
        // As if the file system of the plugin dir did not answer: the supervisor says nothing at all.
        let nothing = Desk::new().both(SHORT).expect_err("nothing is known");
        assert_eq!(nothing, "not every plugin is live: the plugin dir has not been read yet");
        assert!(began.elapsed() >= SHORT, "it did wait");
        let desk = Desk::holding(&["a", "b"]);
        desk.enter("b", State::Live);
        assert_eq!(desk.both(SHORT), Err("not every plugin is live: a: still loading".to_owned()));
        assert!(desk.ready(Duration::ZERO).wait().expect_err("still loading").timed_out());
        assert!(began.elapsed() < PATIENCE);
    }

    #[test]
    fn the_first_look_counts_and_a_plugin_dir_that_cannot_be_read_is_an_error() {
        let desk = Desk::new();
        desk.startup.found(|| Err("the plugin dir /x cannot be read".to_owned()));
        desk.startup.found(|| Ok(Vec::new()));
        let error = desk.both(PATIENCE).expect_err("it cannot be read");
        assert_eq!(error, "not every plugin is live: the plugin dir /x cannot be read");
        assert!(!desk.ready(PATIENCE).wait().expect_err("as before").timed_out());
    }

    #[test]
    fn dropping_the_future_ends_its_thread() {
        let desk = Desk::holding(&["a"]);
        // Longer than any system's clock can tell.
        let mut ready = desk.ready(Duration::MAX);
        assert!(Pin::new(&mut ready).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(ready);
        let began = Instant::now();
        while Arc::strong_count(&desk.startup) > 1 {
            assert!(began.elapsed() < PATIENCE, "its thread goes on");
            std::thread::yield_now();
        }
    }
}
