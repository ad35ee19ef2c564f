//! Interned low-cardinality text: a `u32` from one bounded table, for as long as the process lives.
//!
//! Text of any cardinality (peers, tag values, messages) has no place here.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, RwLock};

use hashbrown::HashMap;

/// How many symbols there can be, the fixed ones included. More would let a hostile peer grow the table; fewer would
/// turn the methods of a large service into `_OTHER`.
const MAX_SYMBOLS: u32 = 65_536;
/// How many of them may be methods, so that no flood of paths crowds out tag keys and event kinds.
pub(crate) const MAX_METHODS: u32 = 32_768;
/// Bytes in one symbol. With `MAX_SYMBOLS` it bounds the table to 16 MiB of text.
const MAX_SYMBOL_BYTES: usize = 256;
const CHUNK: usize = 1024;
const CHUNKS: usize = MAX_SYMBOLS as usize / CHUNK;
/// The first symbol that is not fixed.
const FIRST_DYNAMIC: u32 = 256;

/// Interned text: a method, a service, a tag key, an event kind, an error type.
///
/// The same symbol is the same text for as long as the process lives. The table is bounded (65,536 symbols of at most
/// 256 bytes); what does not fit is [`Symbol::OTHER`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Symbol(u32);

impl Symbol {
    /// No text; reads as "".
    pub const NONE: Self = Self(0);
    /// Text that did not fit the table, or a method that no router knows; reads as `_OTHER`.
    pub const OTHER: Self = Self(1);

    pub(crate) const fn fixed(id: u8) -> Self {
        Self(id as u32)
    }

    /// Interns a text. "" is [`Symbol::NONE`]; a text of more than 256 bytes, or one more than the table holds, is
    /// [`Symbol::OTHER`]. Takes a lock that other interning threads may hold: keep the result.
    #[must_use]
    pub fn intern(text: &str) -> Self {
        TABLE.get_or_init(Table::new).intern(text, MAX_SYMBOLS)
    }

    /// Interns a method's name; the part of the table that methods may fill is smaller.
    pub(crate) fn intern_method(text: &str) -> Self {
        TABLE.get_or_init(Table::new).intern(text, MAX_METHODS)
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        TABLE.get_or_init(Table::new).text(self.0).unwrap_or("")
    }

    /// The number that stands for it in columns.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.0
    }

    /// The symbol with this number, if there is one.
    #[doc(hidden)]
    pub fn from_id(id: u32) -> Option<Self> {
        TABLE.get_or_init(Table::new).text(id).map(|_| Self(id))
    }

    /// Texts that were not taken because the table was full or they were too long.
    #[doc(hidden)]
    pub fn overflowed() -> u32 {
        TABLE.get_or_init(Table::new).overflowed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

static TABLE: OnceLock<Table> = OnceLock::new();

type Chunk = Box<[OnceLock<&'static str>]>;

/// Texts are read without a lock; interning takes one. A text is leaked when it is interned: the bound on the table
/// is the bound on the leak.
struct Table {
    ids: RwLock<HashMap<&'static str, u32, foldhash::fast::RandomState>>,
    chunks: [OnceLock<Chunk>; CHUNKS],
    overflowed: AtomicU32,
}

impl Table {
    fn new() -> Self {
        let table = Self {
            ids: RwLock::new(HashMap::default()),
            chunks: [const { OnceLock::new() }; CHUNKS],
            overflowed: AtomicU32::new(0),
        };
        let mut ids = HashMap::default();
        for &(id, text) in FIXED {
            table.store(u32::from(id), text);
            ids.insert(text, u32::from(id));
        }
        table.store(0, "");
        ids.insert("", 0);
        if let Ok(mut slot) = table.ids.write() {
            *slot = ids;
        }
        table
    }

    fn text(&self, id: u32) -> Option<&'static str> {
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get()?.get(id % CHUNK)?.get().copied()
    }

    fn store(&self, id: u32, text: &'static str) {
        let id = id as usize;
        if let Some(chunk) = self.chunks.get(id / CHUNK) {
            let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
            if let Some(slot) = chunk.get(id % CHUNK) {
                let _ = slot.set(text);
            }
        }
    }

    fn intern(&self, text: &str, bound: u32) -> Symbol {
        if let Some(&id) = self.ids.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(text) {
            return Symbol(id);
        }
        if text.len() <= MAX_SYMBOL_BYTES {
            let mut ids = self.ids.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(&id) = ids.get(text) {
                return Symbol(id);
            }
            // The fixed symbols leave a gap below FIRST_DYNAMIC, so the next id follows from the count of the others.
            let id = FIRST_DYNAMIC + (ids.len() - FIXED.len() - 1) as u32;
            if id < bound {
                let text: &'static str = Box::leak(text.into());
                self.store(id, text);
                ids.insert(text, id);
                return Symbol(id);
            }
        }
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        Symbol::OTHER
    }
}

/// The fixed symbols; numbers are part of the contract with guests. Events from 2, gRPC's codes from 64 (64 + code),
/// other error types from 96.
const FIXED: &[(u8, &str)] = &[
    (1, "_OTHER"),
    (2, "rpc_start"),
    (3, "rpc_finish"),
    (4, "server_handle_start"),
    (5, "server_handle_finish"),
    (6, "client_conn_start"),
    (7, "client_conn_finish"),
    (8, "read_start"),
    (9, "read_finish"),
    (10, "wait_read_start"),
    (11, "wait_read_finish"),
    (12, "write_start"),
    (13, "write_finish"),
    (14, "checksum_generate_start"),
    (15, "checksum_generate_finish"),
    (16, "checksum_validate_start"),
    (17, "checksum_validate_finish"),
    (18, "stream_start"),
    (19, "stream_recv_header"),
    (20, "stream_recv"),
    (21, "stream_send"),
    (22, "stream_finish"),
    (23, "attempt_failed"),
    (64, "OK"),
    (65, "CANCELLED"),
    (66, "UNKNOWN"),
    (67, "INVALID_ARGUMENT"),
    (68, "DEADLINE_EXCEEDED"),
    (69, "NOT_FOUND"),
    (70, "ALREADY_EXISTS"),
    (71, "PERMISSION_DENIED"),
    (72, "RESOURCE_EXHAUSTED"),
    (73, "FAILED_PRECONDITION"),
    (74, "ABORTED"),
    (75, "OUT_OF_RANGE"),
    (76, "UNIMPLEMENTED"),
    (77, "INTERNAL"),
    (78, "UNAVAILABLE"),
    (79, "DATA_LOSS"),
    (80, "UNAUTHENTICATED"),
    (96, "cancelled"),
    (97, "transport"),
    (98, "body"),
    (99, "panic"),
    (100, "missing_status"),
    (101, "timeout"),
    (102, "frame"),
    (103, "dns"),
    (104, "connection_refused"),
    (105, "unreachable"),
    (106, "connect_timeout"),
    (107, "connect"),
    (108, "tls"),
    (109, "certificate"),
    (110, "reset"),
    (111, "protocol"),
    (112, "attempt_timeout"),
    (113, "request"),
];

/// Error types that Hottap itself gives.
pub mod error_type {
    use super::Symbol;
    use std::sync::OnceLock;

    /// The call was dropped before it had ended: the client went away, or its future was dropped.
    pub const CANCELLED: Symbol = Symbol::fixed(96);
    /// The service answered with an error of the transport instead of a response.
    pub const TRANSPORT: Symbol = Symbol::fixed(97);
    /// A body ended with an error, or was not as long as its head had announced.
    pub(crate) const BODY: Symbol = Symbol::fixed(98);
    /// The handler panicked.
    pub(crate) const PANIC: Symbol = Symbol::fixed(99);
    /// A gRPC response ended without a status.
    pub(crate) const MISSING_STATUS: Symbol = Symbol::fixed(100);
    /// A body was no sequence of its protocol's messages, or its end could not be read.
    pub(crate) const FRAME: Symbol = Symbol::fixed(102);

    /// What the client runtime gives: names, connections and TLS that failed, peers that broke off or spoke no HTTP.
    pub(crate) mod client {
        use super::Symbol;

        pub(crate) const DNS: Symbol = Symbol::fixed(103);
        pub(crate) const CONNECTION_REFUSED: Symbol = Symbol::fixed(104);
        pub(crate) const UNREACHABLE: Symbol = Symbol::fixed(105);
        pub(crate) const CONNECT_TIMEOUT: Symbol = Symbol::fixed(106);
        pub(crate) const CONNECT: Symbol = Symbol::fixed(107);
        pub(crate) const TLS: Symbol = Symbol::fixed(108);
        pub(crate) const CERTIFICATE: Symbol = Symbol::fixed(109);
        pub(crate) const RESET: Symbol = Symbol::fixed(110);
        pub(crate) const PROTOCOL: Symbol = Symbol::fixed(111);
        pub(crate) const ATTEMPT_TIMEOUT: Symbol = Symbol::fixed(112);
        pub(crate) const REQUEST: Symbol = Symbol::fixed(113);
        /// The time between two pieces of a response was over.
        pub(crate) const TIMEOUT: Symbol = Symbol::fixed(101);
    }

    /// gRPC's name of a status code, as OpenTelemetry's `error.type` has it.
    pub fn grpc(code: u16) -> Symbol {
        match u8::try_from(code) {
            Ok(code @ 0..=16) => Symbol::fixed(64 + code),
            _ => Symbol::fixed(66),
        }
    }

    /// An HTTP status code as text, as OpenTelemetry's `error.type` has it.
    pub fn http(status: u16) -> Symbol {
        static CODES: [OnceLock<Symbol>; 200] = [const { OnceLock::new() }; 200];
        let index = usize::from(status).wrapping_sub(400);
        match CODES.get(index) {
            Some(slot) => *slot.get_or_init(|| Symbol::intern(&status.to_string())),
            None => Symbol::OTHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_reads_as_what_was_interned() {
        let symbol = Symbol::intern("shop.v1.Checkout/Place");
        assert_eq!(symbol.as_str(), "shop.v1.Checkout/Place");
        assert_eq!(Symbol::intern("shop.v1.Checkout/Place"), symbol);
        assert!(symbol.id() >= FIRST_DYNAMIC);
        assert_eq!(Symbol::intern(""), Symbol::NONE);
        assert_eq!(Symbol::OTHER.as_str(), "_OTHER");
        assert_eq!(error_type::grpc(14).as_str(), "UNAVAILABLE");
        assert_eq!(error_type::http(503).as_str(), "503");
    }

    #[test]
    fn fixed_symbols_are_unique() {
        let mut ids: Vec<_> = FIXED.iter().map(|(id, _)| id).collect();
        let mut texts: Vec<_> = FIXED.iter().map(|(_, text)| text).collect();
        ids.dedup();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!((ids.len(), texts.len()), (FIXED.len(), FIXED.len()));
    }

    #[test]
    fn a_full_table_answers_other_and_keeps_room_for_what_is_not_a_method() {
        let table = Table::new();
        for i in 0..100_000 {
            table.intern(&format!("flood/{i}"), MAX_METHODS);
        }
        assert_eq!(table.intern("flood/one-more", MAX_METHODS), Symbol::OTHER);
        assert_ne!(table.intern("tag-key", MAX_SYMBOLS), Symbol::OTHER);
        assert_eq!(
            table.ids.read().unwrap_or_else(|e| e.into_inner()).len() as u32 - FIXED.len() as u32 - 1,
            MAX_METHODS - FIRST_DYNAMIC + 1
        );
        assert!(table.overflowed.load(Ordering::Relaxed) > 60_000);
    }

    #[test]
    fn a_text_that_is_too_long_is_other() {
        assert_eq!(Symbol::intern(&"x".repeat(257)), Symbol::OTHER);
    }
}
