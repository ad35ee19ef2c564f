//! What happened during a call, and the tags that it carries.

use std::time::Duration;

use crate::column::element;
use crate::symbol::Symbol;

/// What happened: a built-in event (the constants of [`Event`]) or one of the application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventKind(Symbol);

impl EventKind {
    /// The event's name, such as `rpc_start`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }

    /// The symbol in the column `event_kinds`.
    #[must_use]
    pub const fn symbol(self) -> Symbol {
        self.0
    }
}

/// How serious an event is. A number that this version does not know reads as [`EventStatus::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    /// Nothing special.
    Info,
    /// Worth a look.
    Warn,
    /// An error.
    Error,
}

element! {
    EventKind: u32, |raw| EventKind(Symbol::new(raw));
    EventStatus: u8, |raw| match raw {
        0 | 1 => EventStatus::Info,
        2 => EventStatus::Warn,
        _ => EventStatus::Error,
    };
}

/// One event of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// How long after the call's start.
    pub at: Duration,
    /// How serious it is.
    pub status: EventStatus,
    /// In words; may be "".
    pub info: &'a str,
}

/// One tag of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The key.
    pub key: Symbol,
    /// The value.
    pub value: &'a str,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal;)*) => {
        impl Event<'_> {
            $($(#[$doc])* pub const $name: EventKind = EventKind(Symbol::new($id));)*
        }

        pub(crate) const FIXED_EVENTS: &[(usize, &str)] = &[$(($id, $text)),*];
    };
}

// The numbers and texts are the host's (host/core/src/rpc/symbol.rs) and part of the contract. A layer records those that it
// can see; all but the first two need `Level::Detailed`.
events! {
    /// The call started. Recorded at every level.
    RPC_START = 2, "rpc_start";
    /// The call finished. Recorded at every level.
    RPC_FINISH = 3, "rpc_finish";
    /// The handler was called.
    SERVER_HANDLE_START = 4, "server_handle_start";
    /// The handler answered.
    SERVER_HANDLE_FINISH = 5, "server_handle_finish";
    /// A connection was asked for.
    CLIENT_CONN_START = 6, "client_conn_start";
    /// A connection was there.
    CLIENT_CONN_FINISH = 7, "client_conn_finish";
    /// The first piece of the incoming body was asked for.
    READ_START = 8, "read_start";
    /// The incoming body ended.
    READ_FINISH = 9, "read_finish";
    /// Waiting for something to read began.
    WAIT_READ_START = 10, "wait_read_start";
    /// There was something to read.
    WAIT_READ_FINISH = 11, "wait_read_finish";
    /// The first piece of the outgoing body was asked for.
    WRITE_START = 12, "write_start";
    /// The last piece of the outgoing body was taken.
    WRITE_FINISH = 13, "write_finish";
    /// A checksum's computation began.
    CHECKSUM_GENERATE_START = 14, "checksum_generate_start";
    /// A checksum was computed.
    CHECKSUM_GENERATE_FINISH = 15, "checksum_generate_finish";
    /// A checksum's validation began.
    CHECKSUM_VALIDATE_START = 16, "checksum_validate_start";
    /// A checksum was validated.
    CHECKSUM_VALIDATE_FINISH = 17, "checksum_validate_finish";
    /// A stream was opened.
    STREAM_START = 18, "stream_start";
    /// A stream's response head was received.
    STREAM_RECV_HEADER = 19, "stream_recv_header";
    /// A message was received.
    STREAM_RECV = 20, "stream_recv";
    /// A message was sent.
    STREAM_SEND = 21, "stream_send";
    /// A stream ended.
    STREAM_FINISH = 22, "stream_finish";
    /// One of several attempts failed; the words have its number and its error.
    ATTEMPT_FAILED = 23, "attempt_failed";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Element;

    #[test]
    fn an_unknown_event_status_is_an_error() {
        for (raw, expected) in
            [(1, EventStatus::Info), (2, EventStatus::Warn), (3, EventStatus::Error), (99, EventStatus::Error)]
        {
            assert_eq!(EventStatus::from_raw(raw), expected, "{raw}");
        }
    }
}
