//! What happens on one connection, as numbers that its task, its streams' tasks and its transport share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Moments are nanoseconds since the connection was there, plus one: 0 is never.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Requests under way: from their head until the last of the response.
    active: AtomicUsize,
    /// When the last request ended, or the connection began to wait for its first.
    ended: AtomicU64,
    /// When the head began that is being read; 0 if none is.
    head: AtomicU64,
    /// Since when the peer has taken nothing of what is there for it; 0 if it takes it.
    blocked: AtomicU64,
    upgraded: AtomicBool,
}

/// What the connection's timer looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) active: usize,
    pub(super) ended: u64,
    pub(super) head: u64,
    pub(super) blocked: u64,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            active: AtomicUsize::new(0),
            ended: AtomicU64::new(1),
            head: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            upgraded: AtomicBool::new(false),
        })
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX - 1).saturating_add(1)
    }

    /// The moment in the runtime's clock.
    pub(super) fn instant(&self, moment: u64) -> Instant {
        self.began + Duration::from_nanos(moment.saturating_sub(1))
    }

    pub(super) fn seen(&self) -> Seen {
        // In this order: a request that ends in between is still seen as active, and looked at again.
        let active = self.active.load(Ordering::Acquire);
        let ended = self.ended.load(Ordering::Acquire);
        let [head, blocked] = [&self.head, &self.blocked].map(|moment| moment.load(Ordering::Relaxed));
        Seen { active, ended, head, blocked }
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// The connection is ready for its first request.
    pub(super) fn wait(&self) {
        self.ended.store(self.now(), Ordering::Release);
    }

    /// The peer is expected to send a head now.
    pub(super) fn expect_head(&self) {
        self.head.store(self.now(), Ordering::Relaxed);
    }

    /// Something came over a connection of HTTP/1.1.
    pub(super) fn read(&self) {
        if self.active() == 0 && self.head.load(Ordering::Relaxed) == 0 {
            self.expect_head();
        }
    }

    /// Something went out over a connection of HTTP/1.1: the rest of a response, whose body has ended.
    pub(super) fn wrote(&self) {
        if self.active() == 0 {
            self.wait();
        }
    }

    /// The peer takes what is sent to it, or does not.
    pub(super) fn write(&self, is_blocked: bool) {
        let since = self.blocked.load(Ordering::Relaxed);
        if is_blocked != (since != 0) {
            self.blocked.store(if is_blocked { self.now() } else { 0 }, Ordering::Relaxed);
        }
    }

    /// The connection becomes another protocol's.
    pub(super) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Relaxed)
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Underway(Arc<Activity>);

impl Underway {
    pub(super) fn new(activity: &Arc<Activity>) -> Self {
        activity.head.store(0, Ordering::Relaxed);
        activity.active.fetch_add(1, Ordering::AcqRel);
        Self(activity.clone())
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.wait();
        self.0.active.fetch_sub(1, Ordering::AcqRel);
    }
}
