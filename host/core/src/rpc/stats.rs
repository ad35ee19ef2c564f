//! What a call did: times, sizes, status, events (Kitex's RPCStats).

use std::borrow::Cow;
use std::time::Duration;

use super::{Event, EventKind, EventStatus, Events, Level, MAX_MESSAGE_BYTES, Outcome, Symbol, cut};

/// Bytes and messages in one direction, as on the wire: after compression, with message prefixes, without headers,
/// trailers and transport framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Body bytes.
    pub bytes: u64,
    /// Messages; 0 for protocols that do not frame messages.
    pub messages: u32,
    /// Size in bytes of the last message, with its prefix; 0 for protocols that do not frame messages.
    pub last_bytes: u64,
}

/// What a call did.
#[derive(Clone, Debug)]
pub struct RpcStats {
    pub(crate) level: Level,
    #[doc(hidden)]
    pub started_unix: u64,
    pub(crate) started: u64,
    #[doc(hidden)]
    pub duration: u64,
    pub(crate) finished: bool,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
    pub(crate) outcome: Outcome,
    #[doc(hidden)]
    pub http_status: Option<u16>,
    #[doc(hidden)]
    pub rpc_status: Option<u16>,
    pub(crate) error_type: Symbol,
    pub(crate) error_message: Cow<'static, str>,
    pub(crate) events: Events,
}

impl RpcStats {
    #[doc(hidden)]
    pub fn new(level: Level, started: u64, started_unix: u64) -> Self {
        Self {
            level,
            started_unix,
            started,
            duration: 0,
            finished: false,
            sent: Traffic::default(),
            received: Traffic::default(),
            outcome: Outcome::Ok,
            http_status: None,
            rpc_status: None,
            error_type: Symbol::NONE,
            error_message: Cow::Borrowed(""),
            events: Events::default(),
        }
    }

    /// How much is recorded.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// When the call started, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn started_unix_nanos(&self) -> u64 {
        self.started_unix
    }

    /// How long it took; zero until it has finished.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.duration)
    }

    /// What this side sent.
    #[must_use]
    pub fn sent(&self) -> Traffic {
        self.sent
    }

    /// What this side received.
    #[must_use]
    pub fn received(&self) -> Traffic {
        self.received
    }

    /// How it ended; [`Outcome::Ok`] until it has finished.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The HTTP status code, if there was a response.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// The RPC protocol's own status code (gRPC: 0 to 16), if it gave one.
    #[must_use]
    pub fn rpc_status(&self) -> Option<u16> {
        self.rpc_status
    }

    /// What kind of error it was; [`Symbol::NONE`] if there was none.
    #[must_use]
    pub fn error_type(&self) -> Symbol {
        self.error_type
    }

    /// The error in words; "" if there was none. At most 1 KiB is kept.
    #[must_use]
    pub fn error_message(&self) -> &str {
        &self.error_message
    }

    /// The events between start and finish; empty at [`Level::Base`].
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The first event of a kind (Kitex's GetEvent). The call's start and finish are events too, at every level; there is
    /// no finish before the call has finished.
    #[must_use]
    pub fn event(&self, kind: EventKind) -> Option<Event> {
        let bare = |at| Some(Event { kind, at, status: EventStatus::Info, info: None });
        match kind {
            EventKind::RPC_START => bare(0),
            EventKind::RPC_FINISH if self.finished => bare(self.duration),
            EventKind::RPC_FINISH => None,
            _ => self.events.get(kind).cloned(),
        }
    }

    /// The handler panicked.
    #[must_use]
    pub fn panicked(&self) -> bool {
        self.outcome == Outcome::Panicked
    }

    pub(crate) fn record(&mut self, kind: EventKind, at: u64) {
        self.record_with(kind, at, EventStatus::Info, "");
    }

    pub(crate) fn record_with(&mut self, kind: EventKind, at: u64, status: EventStatus, info: &str) {
        self.events.push(Event::new(kind, at.saturating_sub(self.started), status, info));
    }

    /// Says how the call ended. The first error stays, since what follows from it says less; but a panic is told whatever was
    /// wrong before, or a peer could hide it behind a request that is malformed as well.
    pub fn fail(&mut self, outcome: Outcome, error_type: Symbol, message: impl Into<Cow<'static, str>>) {
        let is_first_panic = outcome == Outcome::Panicked && !self.panicked();
        if self.outcome != Outcome::Ok && !is_first_panic {
            return;
        }
        self.outcome = outcome;
        self.error_type = error_type;
        let message = message.into();
        self.error_message = if message.len() > MAX_MESSAGE_BYTES {
            cut(&message, MAX_MESSAGE_BYTES).to_owned().into()
        } else {
            message
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_finish_are_events_at_every_level() {
        let mut stats = RpcStats::new(Level::Base, 1_000, 1);
        let at = |stats: &RpcStats, kind| stats.event(kind).map(|event| event.at);
        assert_eq!(at(&stats, EventKind::RPC_START), Some(0));
        assert_eq!(at(&stats, EventKind::RPC_FINISH), None, "it has not finished");
        stats.record(EventKind::READ_START, 1_020);
        (stats.duration, stats.finished) = (50, true);
        assert_eq!(at(&stats, EventKind::RPC_FINISH), Some(50));
        assert_eq!(at(&stats, EventKind::READ_START), Some(20));
        assert_eq!(at(&stats, EventKind::WRITE_START), None, "nobody saw it");
    }
}
