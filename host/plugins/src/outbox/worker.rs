//! The task that empties one destination's queue: in order, the first payload first, one at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::account::DropReason;
use super::destination::{Destination, Job, Next};
use super::retry::Policy;
use super::sink::{Outcome, Sink, Trust};
use super::state::Fault;
use crate::config::Definition;
use hottap_core::panics::{Place, WHAT_TO_DO, caught};

/// How workers go about it; the same for all destinations.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) policy: Policy,
    /// How often something that the operator has to provide is looked for.
    pub(super) recheck: Duration,
    pub(super) trust: Trust,
}

impl Default for Ways {
    fn default() -> Self {
        Self { policy: Policy::default(), recheck: Duration::from_secs(1), trust: Trust::Platform }
    }
}

/// The tries of the payload at the head of the queue.
struct Trying {
    id: u64,
    since: Instant,
    failures: u32,
    /// The credentials were read anew for it.
    renewed: bool,
}

/// Works until the destination is removed and empty. A panic costs the payload that was being delivered.
pub(super) async fn run(destination: Arc<Destination>, ways: Arc<Ways>) {
    let recheck = ways.recheck;
    let work = destination.clone();
    through_panics(&destination, recheck, move || Box::pin(work_off(work.clone(), ways.clone()))).await;
}

/// Works until `work` is done; after a panic anew, without the payload at the head of the queue.
pub(super) async fn through_panics<W: Future<Output = ()> + Unpin>(
    destination: &Destination,
    pause: Duration,
    mut work: impl FnMut() -> W,
) {
    loop {
        let mut working = work();
        let done = poll_fn(|context| match caught(Place::Outbox, || Pin::new(&mut working).poll(context)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
        let Err(panic) = done.await else { return };
        let _ = caught(Place::Outbox, || drop(working));
        let Next::Work(job) = destination.next() else { return };
        let fault = Fault::new(panic.to_string(), WHAT_TO_DO);
        match &job.payload {
            Some(payload) => destination.dropped(payload.id, DropReason::Panic, fault),
            None => destination.failed(fault),
        }
        rest(destination, &job, pause).await;
    }
}

async fn work_off(destination: Arc<Destination>, ways: Arc<Ways>) {
    let mut open: Option<(Arc<Definition>, Sink)> = None;
    let mut trying: Option<Trying> = None;
    loop {
        let job = match destination.next() {
            Next::Work(job) => job,
            Next::Ended => return,
        };
        let sink = match &mut open {
            Some((definition, sink)) if Arc::ptr_eq(definition, &job.definition) => sink,
            stale => {
                // A new place has its own time to take the payload.
                trying = None;
                *stale = None;
                match Sink::open(&job.definition, &ways.trust).await {
                    Ok(new) => {
                        destination.ready();
                        &mut stale.insert((job.definition.clone(), new)).1
                    }
                    Err(fault) => {
                        destination.waiting(fault);
                        lack(&destination, &job, ways.recheck).await;
                        continue;
                    }
                }
            }
        };
        let Some(payload) = &job.payload else {
            destination.woken().await;
            continue;
        };
        let id = payload.id;
        let trying = match &mut trying {
            Some(trying) if trying.id == id => {
                destination.count_retry();
                trying
            }
            old => old.insert(Trying { id, since: Instant::now(), failures: 0, renewed: false }),
        };
        match sink.deliver(payload, limit(&job)).await {
            Outcome::Delivered => destination.delivered(id),
            Outcome::DeliveredInPart { refused, fault } => destination.delivered_in_part(id, refused, fault),
            Outcome::Rejected(fault) => destination.dropped(id, DropReason::Rejected, fault),
            Outcome::TooLarge(fault) => destination.dropped(id, DropReason::TooLarge, fault),
            Outcome::Denied(fault) => {
                if trying.renewed {
                    destination.dropped(id, DropReason::Rejected, fault);
                    continue;
                }
                match sink.renew().await {
                    Ok(true) => trying.renewed = true,
                    Ok(false) => destination.dropped(id, DropReason::Rejected, fault),
                    Err(missing) => {
                        // Nothing is tried until it is there.
                        open = None;
                        destination.waiting(missing);
                        lack(&destination, &job, ways.recheck).await;
                    }
                }
            }
            Outcome::Failed { fault, after } => {
                let (tried, retry_for) = (trying.since.elapsed(), job.definition.retry_for);
                match ways.policy.pause(trying.failures, tried, retry_for, after, fastrand::f64()) {
                    Some(pause) => {
                        trying.failures = trying.failures.saturating_add(1);
                        destination.failed(fault);
                        rest(&destination, &job, pause).await;
                    }
                    None => destination.dropped(id, DropReason::Expired, fault),
                }
            }
        }
    }
}

/// For one try: the destination's timeout, or what is left until the end.
fn limit(job: &Job) -> Duration {
    let timeout = job.definition.timeout;
    job.ending.map_or(timeout, |ending| timeout.min(ending.until.saturating_duration_since(Instant::now())))
}

/// Waits before the next try; at the end, there may be none.
async fn rest(destination: &Destination, job: &Job, pause: Duration) {
    match job.ending {
        Some(ending) if !ending.retries || Instant::now() + pause >= ending.until => {
            destination.give_up(ending.reason);
        }
        _ => destination.pause(job.epoch, pause).await,
    }
}

/// Waits for what the operator has to provide; at the end, nobody will.
async fn lack(destination: &Destination, job: &Job, pause: Duration) {
    match job.ending {
        Some(ending) if job.payload.is_some() => destination.give_up(ending.reason),
        _ => destination.pause(job.epoch, pause).await,
    }
}
