//! What happens during a call: the events, of which the first and the last are kept.

use super::{EventStatus, Symbol, cut};

/// Bytes kept of an event's words.
const MAX_INFO_BYTES: usize = 256;

/// What happened: a built-in event or one of the application's own.
///
/// The built-in ones are Kitex's. Each is recorded when the layer sees it happen, and none is inferred from another:
///
/// | event | server | client | endpoint |
/// |---|---|---|---|
/// | `rpc_start` | the layer gets the request | the layer gets the request | the layer gets the request |
/// | `server_handle_start` | the service inside is called | | |
/// | `read_start` | the handler asks for the request's body | somebody asks for the response's body | |
/// | `read_finish` | the request's body has ended | the response's body has ended | |
/// | `server_handle_finish` | the response's head is there | | |
/// | `client_conn_start` | | client runtime: a connection is asked for, each attempt anew | |
/// | `client_conn_finish` | | client runtime: it is there, made now or found in the pool | |
/// | `write_start` | the transport asks for the response's body | the transport asks for the request's body | |
/// | `write_finish` | the transport has the last piece of it | the transport has the last piece of it | |
/// | `wait_read_start` | server runtime: the handler asks for a piece of the request's body that is not there | client runtime: all of the request is handed over, and no response is there; or somebody has asked for the next piece of the response, which is not there | |
/// | `wait_read_finish` | server runtime: it is there, or there will be none | client runtime: the response's head is there, or the piece that was asked for | |
/// | `stream_recv_header` | | gRPC, gRPC-web, Connect streams: the response's head is there | |
/// | `stream_recv` | gRPC, gRPC-web, Connect streams: all of a message was received | the same | |
/// | `stream_send` | gRPC, gRPC-web, Connect streams: the transport has all of a message | the same | |
/// | `attempt_failed` | | client runtime: an attempt has failed, where more than one may be made | whoever tries again says so |
/// | `rpc_finish` | the response has passed as a whole, or nobody wants the rest | the same | the answer is there |
///
/// `rpc_start` and `rpc_finish` are recorded at every level, the others at [`Level::Detailed`](super::Level::Detailed). A
/// body that nobody reads has no `read_start`, a response without a body no `write_start`. Where the RPC's protocol has no
/// messages, as plain HTTP and Connect's unary calls, there are no `stream_*` events.
///
/// A tower layer alone does not observe `client_conn_*` (the service that it wraps has its connections to itself) and
/// `wait_read_*` (a layer cannot know whether a body waits for its peer or for something in between): those come from the
/// runtimes, `hottap::server` and `hottap::client`. Not observed at all: `stream_start` and `stream_finish` (they would be
/// `rpc_start` and `rpc_finish` under another name). The `checksum_*` events belong to protocols that have checksums; HTTP
/// has none.
///
/// ```
/// use hottap::rpc::EventKind;
/// # fn current() -> Option<hottap::rpc::RpcHandle> { None }
///
/// let cache_miss = EventKind::new("cache_miss");
/// if let Some(rpc) = current() {
///     rpc.record(cache_miss);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventKind(pub(crate) Symbol);

impl EventKind {
    /// The call started. Recorded at every level.
    pub const RPC_START: Self = Self(Symbol::fixed(2));
    /// The call finished. Recorded at every level.
    pub const RPC_FINISH: Self = Self(Symbol::fixed(3));
    /// The handler was called.
    pub const SERVER_HANDLE_START: Self = Self(Symbol::fixed(4));
    /// The handler answered: its response is there, its body perhaps not yet.
    pub const SERVER_HANDLE_FINISH: Self = Self(Symbol::fixed(5));
    /// A connection was asked for.
    pub const CLIENT_CONN_START: Self = Self(Symbol::fixed(6));
    /// A connection was there.
    pub const CLIENT_CONN_FINISH: Self = Self(Symbol::fixed(7));
    /// The first piece of the incoming body was asked for.
    pub const READ_START: Self = Self(Symbol::fixed(8));
    /// The incoming body ended.
    pub const READ_FINISH: Self = Self(Symbol::fixed(9));
    /// Waiting for something to read began.
    pub const WAIT_READ_START: Self = Self(Symbol::fixed(10));
    /// There was something to read.
    pub const WAIT_READ_FINISH: Self = Self(Symbol::fixed(11));
    /// The first piece of the outgoing body was asked for by the transport.
    pub const WRITE_START: Self = Self(Symbol::fixed(12));
    /// The transport took the last piece of the outgoing body.
    pub const WRITE_FINISH: Self = Self(Symbol::fixed(13));
    /// The making of a checksum began.
    pub const CHECKSUM_GENERATE_START: Self = Self(Symbol::fixed(14));
    /// A checksum was made.
    pub const CHECKSUM_GENERATE_FINISH: Self = Self(Symbol::fixed(15));
    /// The check of a checksum began.
    pub const CHECKSUM_VALIDATE_START: Self = Self(Symbol::fixed(16));
    /// A checksum was checked.
    pub const CHECKSUM_VALIDATE_FINISH: Self = Self(Symbol::fixed(17));
    /// A stream was opened, by a runtime that knows it from the call's start.
    pub const STREAM_START: Self = Self(Symbol::fixed(18));
    /// A streaming call's response head was received (client).
    pub const STREAM_RECV_HEADER: Self = Self(Symbol::fixed(19));
    /// A message was received.
    pub const STREAM_RECV: Self = Self(Symbol::fixed(20));
    /// A message was sent.
    pub const STREAM_SEND: Self = Self(Symbol::fixed(21));

    /// A stream was closed, by a runtime that knows it from the call's end.
    pub const STREAM_FINISH: Self = Self(Symbol::fixed(22));
    /// One of several attempts failed; the words have its number and its error.
    pub const ATTEMPT_FAILED: Self = Self(Symbol::fixed(23));

    /// An event of the application's own. Interns the name: keep the result.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Symbol::intern(name))
    }

    /// The event's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

/// One event of a call.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Nanoseconds after the call's start.
    pub at: u64,
    /// How serious it is.
    pub status: EventStatus,
    /// In words; at most 256 bytes are kept.
    pub info: Option<Box<str>>,
}

impl Event {
    pub(crate) fn new(kind: EventKind, at: u64, status: EventStatus, info: &str) -> Self {
        let info = cut(info, MAX_INFO_BYTES);
        Self { kind, at, status, info: (!info.is_empty()).then(|| info.into()) }
    }
}

/// The events of one call, without its start and finish: the first 24, the last 8, and a count of those between.
///
/// Without any it takes no memory beside itself.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<Box<Kept>>);

#[derive(Clone, Debug, Default)]
struct Kept {
    first: Vec<Event>,
    last: Vec<Event>,
    /// Where the oldest of `last` stands, once it is full.
    oldest: usize,
    elided: u32,
}

impl Events {
    /// Events kept from the start of a call.
    pub(crate) const FIRST: usize = 24;
    /// Events kept from its end; what lies between is counted.
    pub(crate) const LAST: usize = 8;

    /// Records an event. The first allocation of a call is here; a call without events has none.
    pub(crate) fn push(&mut self, event: Event) {
        let kept = self.0.get_or_insert_default();
        if kept.first.len() < Self::FIRST {
            kept.first.push(event);
        } else if kept.last.len() < Self::LAST {
            kept.last.push(event);
        } else if let Some(slot) = kept.last.get_mut(kept.oldest) {
            *slot = event;
            kept.oldest = (kept.oldest + 1) % Self::LAST;
            kept.elided = kept.elided.saturating_add(1);
        }
    }

    /// Adds those of another list, each in its place by time.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let mut events: Vec<Event> = self.iter().chain(other.iter()).cloned().collect();
        events.sort_by_key(|event| event.at);
        let elided = self.elided().saturating_add(other.elided());
        *self = Self::default();
        self.elide(elided);
        events.into_iter().for_each(|event| self.push(event));
    }

    /// Says that so many more happened between the first and the last.
    pub(crate) fn elide(&mut self, count: u32) {
        if count > 0 {
            let kept = self.0.get_or_insert_default();
            kept.elided = kept.elided.saturating_add(count);
        }
    }

    /// The events that were kept, in the order in which they were recorded.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().flat_map(|kept| {
            let (newer, older) = kept.last.split_at(kept.oldest.min(kept.last.len()));
            kept.first.iter().chain(older).chain(newer)
        })
    }

    /// The first event of a kind.
    #[must_use]
    pub fn get(&self, kind: EventKind) -> Option<&Event> {
        self.iter().find(|event| event.kind == kind)
    }

    /// How many were kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.first.len() + kept.last.len())
    }

    /// True if none was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were left out between the first and the last.
    #[must_use]
    pub fn elided(&self) -> u32 {
        self.0.as_ref().map_or(0, |kept| kept.elided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_its_first_and_last_events_and_counts_the_rest() {
        let mut events = Events::default();
        for at in 0..100 {
            events.push(Event { kind: EventKind::STREAM_RECV, at, status: EventStatus::Info, info: None });
        }
        let kept: Vec<u64> = events.iter().map(|event| event.at).collect();
        let expected: Vec<u64> = (0..24).chain(92..100).collect();
        assert_eq!(kept, expected);
        assert_eq!((events.len(), events.elided()), (32, 68));
    }

    #[test]
    fn two_lists_become_one_in_the_order_of_their_times() {
        let of = |times: &[u64]| {
            let mut events = Events::default();
            times.iter().for_each(|&at| events.push(Event::new(EventKind::STREAM_RECV, at, EventStatus::Info, "")));
            events
        };
        let mut events = of(&[1, 4, 9]);
        events.merge(&of(&[2, 3, 10]));
        assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [1, 2, 3, 4, 9, 10]);
        let many: Vec<u64> = (0..60).collect();
        events.merge(&of(&many));
        assert_eq!((events.len(), events.len() as u32 + events.elided()), (32, 66), "none is lost uncounted");
    }
}
