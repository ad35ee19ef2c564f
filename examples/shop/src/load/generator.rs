//! The load: starts RPCs when they are due, as tasks of which only so many are open at a time.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::CreationError;
use hottap::client::Client;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::call::call;
use super::counts::{Counted, Counts};
use super::latency::{Latencies, Quantiles, Taken};
use super::pace::Pace;
use super::verdict::Verdict;
use crate::design::Order;
use crate::proto::checkout_client::CheckoutClient;

/// How often [`Load::start_due`] is to be called: short, so that RPCs come evenly and not in bursts.
pub(crate) const TICK: Duration = Duration::from_millis(2);
/// RPCs open at a time. At the default rate some ten are; if the services stall, memory stays flat and the load falls
/// behind.
const MAX_OPEN: u32 = 256;
/// Of RPCs that come out wrong, so many are told one by one; the rest is counted.
const TOLD: u64 = 10;

/// The load generator.
pub(crate) struct Load {
    client: CheckoutClient<Client>,
    tally: Arc<Tally>,
    open: Arc<Semaphore>,
    pace: Pace,
    /// None while it is held.
    since: Option<Instant>,
    /// The number of the next order. It goes on over a hold.
    next: u64,
    behind: u64,
    last: Last,
    all: Taken,
}

/// What the tasks write.
struct Tally {
    counts: Counts,
    latencies: Latencies,
    lap: Latencies,
    /// Of those in `lap`, the RPCs that are not slow by design.
    lap_prompt: Latencies,
}

/// The RPCs that finished since the lap before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lap {
    /// The counts since the load began to count, as for [`Load::count`].
    pub(crate) counted: Counted,
    pub(crate) latencies: Taken,
    /// Those of orders that are not slow by design.
    pub(crate) prompt: Taken,
}

/// When and what [`Load::second`] said last.
struct Last {
    at: Instant,
    counted: Counted,
    behind: u64,
}

/// What happened since the last time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Second {
    /// RPCs that finished, per second.
    pub(crate) rate: f64,
    pub(crate) failed_by_design: u64,
    pub(crate) failed: u64,
    /// RPCs that were due and not started, because the machine does not keep up.
    pub(crate) behind: u64,
    /// None if nothing finished.
    pub(crate) quantiles: Option<Quantiles>,
}

impl Load {
    /// A load that is running.
    ///
    /// # Errors
    /// The histograms could not be made.
    pub(crate) fn new(client: CheckoutClient<Client>, rate: u32) -> Result<Self, CreationError> {
        let now = Instant::now();
        let tally = Tally::new()?;
        let all = tally.latencies.take();
        Ok(Self {
            client,
            tally: Arc::new(tally),
            open: Arc::new(Semaphore::new(MAX_OPEN as usize)),
            pace: Pace::new(rate),
            since: Some(now),
            next: 0,
            behind: 0,
            last: Last { at: now, counted: Counted::default(), behind: 0 },
            all,
        })
    }

    /// Starts what is due by now; nothing while it is held.
    pub(crate) fn start_due(&mut self) {
        let Some(since) = self.since else { return };
        let due = self.pace.due(since.elapsed());
        self.behind += due.behind;
        for _ in 0..due.now {
            // It stays due until there is room, or until it is written off.
            let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() else { break };
            self.pace.started();
            let order = Order::new(self.next);
            self.next += 1;
            let (mut client, tally) = (self.client.clone(), Arc::clone(&self.tally));
            tally.counts.start();
            tokio::spawn(async move {
                let began = Instant::now();
                let verdict = call(&mut client, order).await;
                tally.finish(order, began.elapsed(), &verdict);
                // Not before the RPC is counted: whoever holds all permits sees all counts.
                drop(permit);
            });
        }
    }

    /// Starts nothing more, and waits until no RPC is open. Every RPC ends within its time limit, so this does.
    pub(crate) async fn hold(&mut self) -> Counted {
        self.since = None;
        // The semaphore is never closed; if it were, there would be nothing to wait for.
        drop(self.open.acquire_many(MAX_OPEN).await);
        self.count()
    }

    /// Counts from 0, and lets the load go on; what is open is waited for first.
    pub(crate) async fn go(&mut self) -> Counted {
        self.hold().await;
        self.tally.counts.reset();
        self.pace.restart();
        let now = Instant::now();
        self.last = Last { at: now, counted: Counted::default(), behind: self.behind };
        self.since = Some(now);
        self.count()
    }

    /// What was counted so far.
    pub(crate) fn count(&self) -> Counted {
        self.tally.counts.read()
    }

    /// Ends a lap: how long the RPCs took that finished since this was last called, or since the beginning.
    pub(crate) fn lap(&self) -> Lap {
        let Tally { lap, lap_prompt, .. } = &*self.tally;
        Lap { counted: self.count(), latencies: lap.take(), prompt: lap_prompt.take() }
    }

    /// RPCs that were due and never started.
    pub(crate) fn behind(&self) -> u64 {
        self.behind
    }

    /// What happened since this was last called, or since the beginning.
    pub(crate) fn second(&mut self) -> Second {
        let (now, counted, taken) = (Instant::now(), self.count(), self.tally.latencies.take());
        self.all.add(&taken);
        let last = std::mem::replace(&mut self.last, Last { at: now, counted, behind: self.behind });
        let finished = counted.finished.saturating_sub(last.counted.finished) as f64;
        Second {
            rate: finished / now.duration_since(last.at).as_secs_f64().max(f64::EPSILON),
            failed_by_design: counted.failed_by_design.saturating_sub(last.counted.failed_by_design),
            failed: counted.failed.saturating_sub(last.counted.failed),
            behind: self.behind - last.behind,
            quantiles: taken.quantiles(),
        }
    }

    /// Over the whole load, up to the last [`Load::second`].
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        self.all.quantiles()
    }
}

impl Tally {
    fn new() -> Result<Self, CreationError> {
        let (latencies, lap, lap_prompt) = (Latencies::new()?, Latencies::new()?, Latencies::new()?);
        Ok(Self { counts: Counts::default(), latencies, lap, lap_prompt })
    }

    fn finish(&self, order: Order, took: Duration, verdict: &Verdict) {
        self.latencies.record(took);
        self.lap.record(took);
        if order.is_prompt() {
            self.lap_prompt.record(took);
        }
        if let Verdict::Wrong(words) = verdict
            && self.counts.read().failed < TOLD
        {
            tracing::error!("an RPC failed that should not have: {words}");
        }
        self.counts.finish(verdict);
    }
}
