//! The starters of one generation: instances for the RPC's threads to take, and what keeps a bad one from hurting RPCs.

use hottap_core::lock::lock;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde::Serialize;

use super::backoff::Backoff;
use super::breaker::{Breaker, Cause, Pace};
use super::name::Name;
use crate::wasm::{CallError, FUEL_PER_NANO, START_NEEDS_STACK, Starter, thread_cpu_time};
use hottap_core::live::{BUDGET, Start};
use hottap_core::panics::{Place as Placed, caught};
use hottap_core::rpc::{Clock, RpcInfo};

/// Instances of one generation, at most. More threads than these that start calls at the same moment find none free.
const MAX_INSTANCES: usize = 16;
/// Of a budget smaller than this, in nanoseconds, no start is begun: it could only miss.
const LEAST_BUDGET: u64 = 20_000;

/// What came of the starts of one plugin, over all its generations.
#[derive(Debug, Default)]
pub(crate) struct StartCounts {
    calls: AtomicU64,
    nanos: AtomicU64,
    misses: AtomicU64,
    /// None of the instances was free.
    busy: AtomicU64,
    /// The plugins before it had used up the call's time.
    budget: AtomicU64,
    /// The thread had too little stack left.
    stack: AtomicU64,
    suspended: AtomicU64,
}

/// What the admin API shows of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StartStatus {
    pub(crate) calls: u64,
    /// Nanoseconds that a start took, of which one counts a millisecond at most; null before the first. CPU time while
    /// starts look long, else the time that passed.
    pub(crate) ns_per_call: Option<f64>,
    /// Starts that trapped or ran out of time.
    pub(crate) misses: u64,
    /// Calls that were not started, by reason.
    pub(crate) skipped: Skipped,
    /// Milliseconds until it is tried again, if it is suspended.
    pub(crate) suspended_ms: Option<u64>,
    pub(crate) instances: usize,
}

/// Calls that were not started, by reason.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Skipped {
    pub(crate) suspended: u64,
    pub(crate) busy: u64,
    pub(crate) budget: u64,
    pub(crate) stack: u64,
}

impl Skipped {
    /// Reasons and counts.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'static str, u64)> {
        [("suspended", self.suspended), ("busy", self.busy), ("budget", self.budget), ("stack", self.stack)].into_iter()
    }
}

/// A place for an instance, with the counts of those who used it: they are not shared by threads that use other places.
#[derive(Default)]
struct Place {
    starter: Option<Box<dyn Starter>>,
    calls: u64,
    nanos: u64,
    pace: Pace,
}

/// Who is told that something needs doing: instances are missing, or `start` was suspended.
type Tell = Box<dyn Fn(Option<CallError>, Option<Cause>) + Send + Sync>;

/// The starters of one generation.
pub(crate) struct Starts {
    name: Name,
    clock: &'static Clock,
    places: Box<[Mutex<Place>]>,
    counts: OnceLock<Arc<StartCounts>>,
    breaker: Mutex<Breaker>,
    /// By `clock`; before it nothing is started. 0 where nothing was suspended yet: then the clock need not be asked.
    suspended_until: AtomicU64,
    /// Starts look long: CPU time is read around each.
    measuring: AtomicBool,
    lacking: AtomicBool,
    filling: Mutex<Backoff>,
    tell: OnceLock<Tell>,
}

impl Starts {
    /// As many places as the machine has use for, all of them empty.
    pub(crate) fn new(name: Name) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            name,
            clock: Clock::get(),
            places: (0..(threads + 2).min(MAX_INSTANCES)).map(|_| Mutex::default()).collect(),
            counts: OnceLock::new(),
            breaker: Mutex::default(),
            suspended_until: AtomicU64::new(0),
            measuring: AtomicBool::new(false),
            lacking: AtomicBool::new(true),
            filling: Mutex::default(),
            tell: OnceLock::new(),
        }
    }

    /// From here on it counts here, and tells what needs doing. Only the first time has an effect.
    pub(crate) fn go_live(&self, counts: Arc<StartCounts>, tell: Tell) {
        let _ = self.counts.set(counts);
        let _ = self.tell.set(tell);
    }

    /// Fills empty places until the given time; what is empty then is left for the next call. Takes as long as `init`
    /// takes: not on an RPC's thread. After a failure it does nothing for a while, which grows with each.
    pub(crate) fn fill(
        &self,
        until: Instant,
        mut make: impl FnMut() -> Result<Option<Box<dyn Starter>>, CallError>,
    ) -> Result<(), CallError> {
        if self.next_fill().is_none_or(|due| Instant::now() < due) {
            return Ok(());
        }
        // Before the look: what gets empty meanwhile is seen by the next one.
        self.lacking.store(false, Ordering::Release);
        for place in &self.places {
            if lock(place).starter.is_some() {
                continue;
            }
            let made = if Instant::now() < until { make() } else { Ok(None) };
            match made {
                Ok(Some(starter)) => lock(place).starter = Some(starter),
                Ok(None) => {
                    self.lacking.store(true, Ordering::Release);
                    return Ok(());
                }
                Err(error) => {
                    self.lacking.store(true, Ordering::Release);
                    lock(&self.filling).failed(Instant::now());
                    return Err(error);
                }
            }
        }
        lock(&self.filling).succeeded();
        Ok(())
    }

    /// The time at which [`fill`](Self::fill) has something to do, which may be over. None if no place is empty.
    pub(crate) fn next_fill(&self) -> Option<Instant> {
        self.lacking.load(Ordering::Acquire).then(|| {
            let now = Instant::now();
            lock(&self.filling).due(now).unwrap_or(now)
        })
    }

    /// What the admin API shows.
    pub(crate) fn status(&self) -> StartStatus {
        let counts = self.counts();
        self.gather(&counts);
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (calls, nanos) = (load(&counts.calls), load(&counts.nanos));
        let left = self.suspended_until.load(Ordering::Relaxed).saturating_sub(self.clock.now());
        StartStatus {
            calls,
            ns_per_call: (calls > 0).then(|| (nanos as f64 / calls as f64).round()),
            misses: load(&counts.misses),
            skipped: Skipped {
                suspended: load(&counts.suspended),
                busy: load(&counts.busy),
                budget: load(&counts.budget),
                stack: load(&counts.stack),
            },
            suspended_ms: (left > 0).then(|| left.div_ceil(1_000_000)),
            instances: self.places.iter().filter(|place| lock(place).starter.is_some()).count(),
        }
    }

    /// Adds what the places have counted to what outlives this generation.
    pub(crate) fn gather(&self, counts: &StartCounts) {
        for place in &self.places {
            let mut place = lock(place);
            counts.calls.fetch_add(std::mem::take(&mut place.calls), Ordering::Relaxed);
            counts.nanos.fetch_add(std::mem::take(&mut place.nanos), Ordering::Relaxed);
        }
    }

    fn counts(&self) -> Arc<StartCounts> {
        self.counts.get_or_init(Arc::default).clone()
    }

    fn skip(&self, reason: impl Fn(&StartCounts) -> &AtomicU64) -> Option<u64> {
        reason(self.counts.get()?).fetch_add(1, Ordering::Relaxed);
        None
    }

    fn tell(&self, error: Option<CallError>, cause: Option<Cause>) {
        if let Some(tell) = self.tell.get() {
            tell(error, cause);
        }
    }

    /// A free place with an instance in it. Threads begin to look at different places, and mostly find theirs free.
    fn take(&self) -> Option<MutexGuard<'_, Place>> {
        let begin = thread_number() % self.places.len();
        let own = self.places.get(begin).and_then(try_lock).filter(|place| place.starter.is_some());
        own.or_else(|| self.places.iter().filter_map(try_lock).find(|place| place.starter.is_some()))
    }

    fn is_suspended(&self) -> bool {
        let until = self.suspended_until.load(Ordering::Relaxed);
        until != 0 && self.clock.now() < until
    }

    /// The starts of a place look long: from here on CPU time is read.
    #[cold]
    fn looks_long(&self, over: u64) {
        let mut breaker = lock(&self.breaker);
        breaker.looks_long(over);
        self.measuring.store(true, Ordering::Relaxed);
    }

    /// A start took so much CPU time.
    #[cold]
    fn measured(&self, mut place: MutexGuard<'_, Place>, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        place.nanos += nanos.min(BUDGET);
        drop(place);
        let mut breaker = lock(&self.breaker);
        let verdict = breaker.took(self.clock.now(), nanos);
        if verdict.is_well {
            self.measuring.store(false, Ordering::Relaxed);
        }
        drop(breaker);
        let cause = self.suspend(verdict.suspended);
        if verdict.missed {
            self.skip(|counts| &counts.misses);
            self.tell(Some(CallError::OutOfTime { function: "start", limit: Duration::from_nanos(BUDGET) }), cause);
        } else if cause.is_some() {
            self.tell(None, cause);
        }
    }

    fn suspend(&self, verdict: Option<(u64, Cause)>) -> Option<Cause> {
        let (until, cause) = verdict?;
        self.suspended_until.store(until, Ordering::Relaxed);
        Some(cause)
    }
}

impl Start for Starts {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn start(&self, call: &RpcInfo, headers: &mut HeaderMap, budget: u64) -> Option<u64> {
        if self.is_suspended() {
            return self.skip(|counts| &counts.suspended);
        }
        if budget < LEAST_BUDGET {
            return self.skip(|counts| &counts.budget);
        }
        // Where it is not known how much is left, there is no knowing that it is enough.
        if stacker::remaining_stack().is_none_or(|left| left < START_NEEDS_STACK) {
            return self.skip(|counts| &counts.stack);
        }
        let Some(mut place) = self.take() else { return self.skip(|counts| &counts.busy) };
        let Place { starter: Some(starter), calls, nanos, pace } = &mut *place else { return None };
        let cpu = self.measuring.load(Ordering::Relaxed).then(thread_cpu_time);
        let began = self.clock.now();
        let answer = caught(Placed::Request, || starter.start(call, headers, budget * FUEL_PER_NANO));
        let took = self.clock.now().saturating_sub(began);
        match answer.unwrap_or_else(|panic| Err(CallError::Panicked(panic))) {
            Ok(token) => {
                *calls += 1;
                match cpu {
                    Some(cpu) => self.measured(place, thread_cpu_time().saturating_sub(cpu)),
                    None => {
                        *nanos += took.min(BUDGET);
                        if let Some(over) = pace.took(took) {
                            drop(place);
                            self.looks_long(over);
                        }
                    }
                }
                Some(token)
            }
            Err(error) => {
                place.starter = None;
                drop(place);
                self.lacking.store(true, Ordering::Release);
                let cause = self.suspend(lock(&self.breaker).missed(self.clock.now()));
                self.skip(|counts| &counts.misses);
                self.tell(Some(error), cause);
                None
            }
        }
    }
}

impl Drop for Starts {
    fn drop(&mut self) {
        if let Some(counts) = self.counts.get() {
            self.gather(counts);
        }
    }
}

impl fmt::Debug for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starts").field("name", &self.name.as_str()).finish_non_exhaustive()
    }
}

/// A number that few threads share.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

/// None if another thread has it.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
