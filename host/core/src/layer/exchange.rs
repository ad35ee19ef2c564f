//! What is shared by the two bodies of one call, which different tasks may move: how much went each way.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::log::Log;
use super::protocol::Wire;
use crate::rpc::{EventKind, Side, Streaming, Traffic};

/// One call's traffic. Each meter has one writer, the body it belongs to; whoever ends the call reads both.
pub(crate) struct Exchange {
    side: Side,
    wire: Wire,
    request: Meter,
    response: Meter,
    log: Option<Box<Log>>,
    attempts: super::journal::Attempts,
    /// The call has ended: what its bodies yield from here on is nobody's.
    over: AtomicBool,
}

/// Which of a call's bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Numbers of their own, not a struct under a lock: a reader may see the bytes of one more piece than messages, while the
/// writer is still at it. Once the body has ended they agree.
#[derive(Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    messages: AtomicU32,
    last_bytes: AtomicU64,
    /// Messages could not be counted.
    unread: AtomicBool,
    /// It was no sequence of the protocol's messages.
    malformed: AtomicBool,
    /// The announced length, if the body had another one.
    missed_length: OnceLock<u64>,
}

impl Meter {
    /// There is one writer, so that reading and then writing loses nothing and is cheaper than an atomic addition.
    pub(super) fn add_bytes(&self, bytes: u64) {
        self.bytes.store(self.bytes().saturating_add(bytes), Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_message(&self, bytes: u64) {
        self.messages.store(self.messages.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        self.last_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn forget_messages(&self) {
        self.messages.store(0, Ordering::Relaxed);
        self.last_bytes.store(0, Ordering::Relaxed);
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Messages could not be what the protocol says.
    pub(super) fn mark_malformed(&self) {
        self.malformed.store(true, Ordering::Relaxed);
    }

    /// The body was not as long as announced.
    pub(super) fn mark_wrong_length(&self, announced: u64) {
        let _ = self.missed_length.set(announced);
    }

    pub(super) fn has_wrong_length(&self) -> bool {
        self.missed_length.get().is_some()
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            bytes: self.bytes(),
            messages: self.messages.load(Ordering::Relaxed),
            last_bytes: self.last_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Exchange {
    pub(crate) fn new(side: Side, wire: Wire, log: Option<Box<Log>>) -> Arc<Self> {
        Arc::new(Self {
            side,
            wire,
            request: Meter::default(),
            response: Meter::default(),
            log,
            attempts: super::journal::Attempts::default(),
            over: AtomicBool::new(false),
        })
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// What the runtime that sends the call has to say of its attempts.
    pub(super) fn attempts(&self) -> &super::journal::Attempts {
        &self.attempts
    }

    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_deref()
    }

    /// Records an event, if the call's level is detailed.
    #[inline]
    pub(crate) fn record(&self, kind: EventKind) {
        if let Some(log) = &self.log {
            log.record(kind);
        }
    }

    pub(crate) fn traffic(&self, direction: Direction) -> Traffic {
        self.meter(direction).traffic()
    }

    /// Nothing of the request was sent: what was counted beforehand does not count.
    #[cfg(feature = "reqwest")]
    pub(super) fn unsend(&self) {
        self.request.bytes.store(0, Ordering::Relaxed);
        self.request.messages.store(0, Ordering::Relaxed);
        self.request.last_bytes.store(0, Ordering::Relaxed);
    }

    /// The body could not be what its protocol says: a flag that does not exist, an end inside of a message.
    pub(crate) fn is_malformed(&self, direction: Direction) -> bool {
        self.meter(direction).malformed.load(Ordering::Relaxed)
    }

    /// Says in words that a body was not as long as its head had announced; none if it was, or if nothing was announced.
    pub(crate) fn length_fault(&self, direction: Direction) -> Option<String> {
        let meter = self.meter(direction);
        let (announced, bytes) = (*meter.missed_length.get()?, meter.bytes());
        let body = match direction {
            Direction::Request => "the request's body",
            Direction::Response => "the response's body",
        };
        Some(if bytes < announced {
            format!("{body} ended after {bytes} of {announced} announced bytes")
        } else {
            format!("{body} is longer than the {announced} bytes that were announced")
        })
    }

    /// What the counted messages say: more than one is a stream.
    pub(crate) fn streaming(&self) -> Streaming {
        let (request, response) = (&self.request, &self.response);
        let unread = request.unread.load(Ordering::Relaxed) || response.unread.load(Ordering::Relaxed);
        if self.wire == Wire::Http || unread {
            return Streaming::Unknown;
        }
        match (request.traffic().messages > 1, response.traffic().messages > 1) {
            (false, false) => Streaming::Unary,
            (true, false) => Streaming::Client,
            (false, true) => Streaming::Server,
            (true, true) => Streaming::Both,
        }
    }

    /// The call has ended.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The call ends; before its traffic is read.
    pub(crate) fn close(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn meter(&self, direction: Direction) -> &Meter {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(super) fn is_incoming(&self, direction: Direction) -> bool {
        (self.side == Side::Server) == (direction == Direction::Request)
    }
}
