//! Symbols (text that the host has interned) and texts (a number that its own batch resolves).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::column::{Column, element};
use crate::host;

/// Interned low-cardinality text: a method, a service, a tag key, an event kind, an error type.
///
/// The same symbol is the same text for as long as the host process lives, so a tracer can key its own tables by
/// symbol and ask for the text once, when it makes the entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Symbol(u32);

impl Symbol {
    /// No text; reads as "".
    pub const NONE: Self = Self(0);
    /// Text that did not fit the host's table, or a method that no router knows; reads as `_OTHER`.
    pub const OTHER: Self = Self(1);

    pub(crate) const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number in columns.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.0
    }

    /// The text. The host is asked for it the first time, afterwards this is a look-up in the guest's memory; for a
    /// whole column of new symbols [`Column::texts`] asks once. "" for a symbol that this tracer was never handed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        text_within(self.0, &[self.0])
    }

    /// True for [`Symbol::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text of any cardinality (a peer, a tag's value, a message); [`Batch::text`](crate::Batch::text) of the same batch
/// reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Text(u32);

impl Text {
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// True for "".
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

element! {
    Symbol: u32, |raw| Symbol(raw);
    Text: u32, |raw| Text(raw);
}

impl<'a> Column<'a, Symbol> {
    /// The texts of all symbols; those that are new to this guest are asked for in one go.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &'static str> + use<'a> {
        let column = self.raw();
        column.iter().map(|&id| text_within(id, column))
    }
}

/// Symbols asked for in one call. A symbol has at most 256 bytes, so an answer stays far below the host's bound of
/// 1 MiB; fewer would make the first batch of a large service slower.
const ASK: usize = 1024;
/// Symbols below this are cached by index, which takes 8 bytes for each number that is skipped. The host's table has
/// 65,536; should it grow, the others are found more slowly.
const DENSE: usize = 65_536;

/// What the host has told, per guest instance (in tests: per harness).
///
/// A text is leaked when it is learned, so that it can be handed out for as long as the tracer lives. The host's table
/// is bounded, and with it the leak.
#[derive(Default, Debug)]
pub(crate) struct Cache {
    dense: Vec<Option<&'static str>>,
    sparse: BTreeMap<u32, &'static str>,
}

impl Cache {
    fn get(&self, id: u32) -> Option<&'static str> {
        let index = id as usize;
        if index < DENSE { *self.dense.get(index)? } else { self.sparse.get(&id).copied() }
    }

    fn put(&mut self, id: u32, text: &'static str) {
        let index = id as usize;
        if index >= DENSE {
            self.sparse.insert(id, text);
            return;
        }
        if index >= self.dense.len() {
            self.dense.resize(index + 1, None);
        }
        if let Some(slot) = self.dense.get_mut(index) {
            *slot = Some(text);
        }
    }
}

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { dense: Vec::new(), sparse: BTreeMap::new() }) };
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn swap_cache(other: &mut Cache) {
    CACHE.with_borrow_mut(|cache| std::mem::swap(cache, other));
}

fn known(id: u32) -> Option<&'static str> {
    match FIXED_TEXTS.get(id as usize) {
        Some(Some(text)) => Some(text),
        _ => CACHE.with_borrow(|cache| cache.get(id)),
    }
}

/// The text of `id`, an element of `column`. If it is not known yet, all that is new in the column is asked for.
pub(crate) fn text_within(id: u32, column: &[u32]) -> &'static str {
    if let Some(text) = known(id) {
        return text;
    }
    learn(column);
    known(id).unwrap_or("")
}

fn learn(column: &[u32]) {
    let mut new: Vec<u32> = column.iter().copied().filter(|&id| known(id).is_none()).collect();
    new.sort_unstable();
    new.dedup();
    for ids in new.chunks(ASK) {
        let texts = host::symbols(ids);
        CACHE.with_borrow_mut(|cache| {
            for (&id, text) in ids.iter().zip(texts) {
                // "" means that this tracer was not handed the symbol yet; it may be later.
                if !text.is_empty() {
                    cache.put(id, text.leak());
                }
            }
        });
    }
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal;)*) => {
        /// Symbols that mean the same in every host and for ever: kinds of error, for [`Call::error_type`] and the
        /// column `error_types`.
        ///
        /// [`Call::error_type`]: crate::Call::error_type
        pub mod error_type {
            use super::Symbol;

            $($(#[$doc])* pub const $name: Symbol = Symbol($id);)*
        }

        const FIXED_ERRORS: &[(usize, &str)] = &[$(($id, $text)),*];
    };
}

// The numbers and texts are the host's (host/core/src/rpc/symbol.rs) and part of the contract: gRPC's codes are 64 + code.
fixed! {
    /// gRPC's code 0; never the type of an error.
    OK = 64, "OK";
    /// gRPC's code 1, answered by the service; a call that was dropped before it had ended is [`CANCELLED`].
    GRPC_CANCELLED = 65, "CANCELLED";
    /// gRPC's code 2.
    UNKNOWN = 66, "UNKNOWN";
    /// gRPC's code 3.
    INVALID_ARGUMENT = 67, "INVALID_ARGUMENT";
    /// gRPC's code 4.
    DEADLINE_EXCEEDED = 68, "DEADLINE_EXCEEDED";
    /// gRPC's code 5.
    NOT_FOUND = 69, "NOT_FOUND";
    /// gRPC's code 6.
    ALREADY_EXISTS = 70, "ALREADY_EXISTS";
    /// gRPC's code 7.
    PERMISSION_DENIED = 71, "PERMISSION_DENIED";
    /// gRPC's code 8.
    RESOURCE_EXHAUSTED = 72, "RESOURCE_EXHAUSTED";
    /// gRPC's code 9.
    FAILED_PRECONDITION = 73, "FAILED_PRECONDITION";
    /// gRPC's code 10.
    ABORTED = 74, "ABORTED";
    /// gRPC's code 11.
    OUT_OF_RANGE = 75, "OUT_OF_RANGE";
    /// gRPC's code 12.
    UNIMPLEMENTED = 76, "UNIMPLEMENTED";
    /// gRPC's code 13.
    INTERNAL = 77, "INTERNAL";
    /// gRPC's code 14.
    UNAVAILABLE = 78, "UNAVAILABLE";
    /// gRPC's code 15.
    DATA_LOSS = 79, "DATA_LOSS";
    /// gRPC's code 16.
    UNAUTHENTICATED = 80, "UNAUTHENTICATED";
    /// The call was dropped before it had ended: the client went away, or its future was dropped.
    CANCELLED = 96, "cancelled";
    /// The service answered with an error of the transport instead of a response.
    TRANSPORT = 97, "transport";
    /// A body ended with an error, or was not as long as its head had announced.
    BODY = 98, "body";
    /// The handler panicked.
    PANIC = 99, "panic";
    /// A gRPC response ended without a status.
    MISSING_STATUS = 100, "missing_status";
    /// The deadline passed.
    TIMEOUT = 101, "timeout";
    /// A message's frame was broken.
    FRAME = 102, "frame";
    /// A name could not be resolved.
    DNS = 103, "dns";
    /// Nobody listens at the address.
    CONNECTION_REFUSED = 104, "connection_refused";
    /// There is no way to the address.
    UNREACHABLE = 105, "unreachable";
    /// No connection was there in time.
    CONNECT_TIMEOUT = 106, "connect_timeout";
    /// There was no connection for another reason.
    CONNECT = 107, "connect";
    /// TLS failed: no handshake.
    TLS = 108, "tls";
    /// The peer's certificate was not accepted.
    CERTIFICATE = 109, "certificate";
    /// The peer broke off.
    RESET = 110, "reset";
    /// The peer broke the rules of HTTP.
    PROTOCOL = 111, "protocol";
    /// One attempt took too long.
    ATTEMPT_TIMEOUT = 112, "attempt_timeout";
    /// The request could not be sent as it was.
    REQUEST = 113, "request";
}

/// Texts of the fixed symbols by number; none for numbers that this version does not know, which the host resolves.
static FIXED_TEXTS: [Option<&str>; 256] = {
    let mut texts = [None; 256];
    texts[0] = Some("");
    texts[1] = Some("_OTHER");
    let mut i = 0;
    while i < FIXED_ERRORS.len() {
        texts[FIXED_ERRORS[i].0] = Some(FIXED_ERRORS[i].1);
        i += 1;
    }
    let mut i = 0;
    while i < crate::event::FIXED_EVENTS.len() {
        texts[crate::event::FIXED_EVENTS[i].0] = Some(crate::event::FIXED_EVENTS[i].1);
        i += 1;
    }
    texts
};

/// The fixed symbol of a text, if it has one.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn fixed(text: &str) -> Option<u32> {
    FIXED_TEXTS.iter().position(|fixed| *fixed == Some(text)).and_then(|id| u32::try_from(id).ok())
}

/// gRPC's name of a status code (`OK`, `NOT_FOUND`); none above 16.
#[must_use]
pub fn grpc_status_name(code: u16) -> Option<&'static str> {
    if code > 16 {
        return None;
    }
    FIXED_TEXTS.get(64 + usize::from(code)).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_symbols_need_no_host() {
        assert_eq!(Symbol::NONE.as_str(), "");
        assert_eq!(Symbol::OTHER.as_str(), "_OTHER");
        assert_eq!(error_type::UNAVAILABLE.to_string(), "UNAVAILABLE");
        assert_eq!(error_type::PANIC.as_str(), "panic");
        assert_eq!(crate::Event::STREAM_RECV.as_str(), "stream_recv");
    }

    #[test]
    fn grpc_codes_have_names() {
        for (code, expected) in
            [(0, Some("OK")), (5, Some("NOT_FOUND")), (16, Some("UNAUTHENTICATED")), (17, None), (65535, None)]
        {
            assert_eq!(grpc_status_name(code), expected, "{code}");
        }
    }

    #[test]
    fn a_large_symbol_is_cached_too() {
        let mut cache = Cache::default();
        for id in [300, 65_535, 65_536, u32::MAX] {
            assert_eq!(cache.get(id), None);
            cache.put(id, "x");
            assert_eq!(cache.get(id), Some("x"));
        }
        assert_eq!(cache.dense.len(), 65_536);
    }
}
