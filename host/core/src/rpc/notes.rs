//! What an application adds to a call: tags, its own status, events.

use super::{Event, EventKind, EventStatus, Events, Outcome, RpcInfo, Symbol, Tags};

/// What an application adds to a call that it makes: put it into the request's extensions before the client layer sees
/// the request. Handlers have an [`RpcHandle`](super::RpcHandle) instead.
///
/// ```
/// use hottap::rpc::RpcNotes;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(RpcNotes::new().tag("tenant", "acme").callee_tag("zone", "b"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RpcNotes {
    pub(super) tags: Tags,
    pub(super) from: Tags,
    pub(super) to: Tags,
    pub(super) extra: Tags,
    pub(super) business: Option<(i32, Box<str>)>,
    pub(super) business_extra: Tags,
    pub(super) events: Events,
    /// The number of the last attempt that failed.
    pub(super) failed_attempt: u16,
}

impl RpcNotes {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tag of the call. At most 32, values of at most 256 bytes; keys are interned, so take them from a small set, and
    /// have at most 250 bytes. A key that begins with `from.` or `to.` is one of the caller's or the callee's.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.set_tag(key, value);
        self
    }

    /// A tag of the service that is called (Kitex's To), such as its zone; bounded like [`tag`](Self::tag).
    #[must_use]
    pub fn callee_tag(mut self, key: &str, value: &str) -> Self {
        self.to.set(Symbol::intern(key), value);
        self
    }

    /// A tag of the service that calls (Kitex's From); bounded like [`tag`](Self::tag).
    #[must_use]
    pub fn caller_tag(mut self, key: &str, value: &str) -> Self {
        self.from.set(Symbol::intern(key), value);
        self
    }

    /// Something that the RPC runtime knows (Kitex's Invocation.Extra); bounded like [`tag`](Self::tag).
    #[must_use]
    pub fn extra(mut self, key: &str, value: &str) -> Self {
        self.extra.set(Symbol::intern(key), value);
        self
    }

    /// Something that goes with the business status; bounded like [`tag`](Self::tag).
    #[must_use]
    pub fn business_extra(mut self, key: &str, value: &str) -> Self {
        self.business_extra.set(Symbol::intern(key), value);
        self
    }

    /// See [`tag`](Self::tag).
    pub(super) fn set_tag(&mut self, key: &str, value: &str) {
        let (tags, key) = match (key.strip_prefix("from."), key.strip_prefix("to.")) {
            (Some(key), _) => (&mut self.from, key),
            (_, Some(key)) => (&mut self.to, key),
            _ => (&mut self.tags, key),
        };
        tags.set(Symbol::intern(key), value);
    }

    pub(super) fn event(&mut self, kind: EventKind, at: u64, status: EventStatus, info: &str) {
        self.events.push(Event::new(kind, at, status, info));
    }

    /// One of several attempts failed; `at` is in nanoseconds since the call's start.
    pub(crate) fn attempt_failed(&mut self, number: u16, at: u64, error: &str) {
        self.failed_attempt = self.failed_attempt.max(number);
        self.event(EventKind::ATTEMPT_FAILED, at, EventStatus::Error, error);
    }

    /// Writes them into a call.
    pub(crate) fn apply(&self, info: &mut RpcInfo) {
        info.tags.extend(&self.tags);
        info.from.tags.extend(&self.from);
        info.to.tags.extend(&self.to);
        info.invocation.extra.extend(&self.extra);
        info.invocation.business_extra.extend(&self.business_extra);
        if let Some((status, message)) = &self.business {
            info.invocation.set_business(*status, message);
        }
        info.stats.events.merge(&self.events);
        if self.failed_attempt > 0 {
            // An error is that of the last attempt, which was said to have failed; anything else came in one more.
            let one_more = !matches!(info.stats.outcome, Outcome::Error | Outcome::TimedOut);
            info.attempts = self.failed_attempt.saturating_add(u16::from(one_more));
        }
    }
}
