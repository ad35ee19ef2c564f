//! A call as its handler sees it while it goes on: what is known of it, and a place for what the handler has to say.

use crate::lock::lock;
use std::fmt;
use std::sync::{Arc, Mutex};

use http::HeaderValue;

use super::{CallExtensions, Clock, EventKind, EventStatus, Level, MAX_MESSAGE_BYTES, RpcInfo, RpcNotes, Symbol, cut};

/// A call that is being handled; all clones are one.
///
/// A handler finds it in the request's extensions, or by [`RpcInfo::current`]. What it says is in the call's RpcInfo when
/// the call finishes; what it says later goes nowhere. Nothing here waits for a tracer.
///
/// ```
/// use hottap::rpc::{EventKind, RpcInfo};
///
/// fn price(item: &str) -> Option<u32> {
///     let rpc = RpcInfo::current();
///     if let Some(rpc) = &rpc {
///         rpc.set_tag("item", item);
///         rpc.record(EventKind::new("cache_miss"));
///     }
///     None
/// }
/// ```
#[derive(Clone)]
pub struct RpcHandle(Arc<Shared>);

struct Shared {
    info: RpcInfo,
    /// The number of the Hottap whose layer observes the call; 0 for a call that is no request.
    observer: u64,
    /// None before the handler has said anything, and after the call has finished.
    notes: Mutex<Said>,
    tracestate: Option<HeaderValue>,
    extensions: CallExtensions,
}

#[derive(Default)]
enum Said {
    #[default]
    Nothing,
    Notes(Box<RpcNotes>),
    /// The call has finished.
    Closed,
}

impl RpcHandle {
    /// `observer` is the number of the Hottap whose layer observes the call, 0 for a call that is no request. `tracestate`
    /// and `extensions` are what calls that the handler makes go on with.
    pub(crate) fn new(
        info: RpcInfo,
        observer: u64,
        tracestate: Option<HeaderValue>,
        extensions: CallExtensions,
    ) -> Self {
        Self(Arc::new(Shared { info, observer, notes: Mutex::default(), tracestate, extensions }))
    }

    /// Returns true if a layer of the Hottap with this number observes the call.
    pub(crate) fn is_observed_by(&self, observer: u64) -> bool {
        self.0.observer == observer
    }

    /// What was known of the call when its handler was called: who, what, when, until when.
    #[must_use]
    pub fn info(&self) -> &RpcInfo {
        &self.0.info
    }

    /// Sets a tag of the call. At most 32, values of at most 256 bytes, more is left out; keys are interned, so take them
    /// from a small set, and have at most 250 bytes. A key that begins with `from.` or `to.` is one of the caller's or the
    /// callee's, and guests are told those under such keys.
    pub fn set_tag(&self, key: &str, value: &str) {
        self.note(|notes| notes.set_tag(key, value));
    }

    /// A tag of the call that was set, as long as the call has not finished.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<String> {
        match &*lock(&self.0.notes) {
            Said::Notes(notes) => notes.tags.get(key).or_else(|| self.0.info.tags.get(key)).map(str::to_owned),
            _ => self.0.info.tags.get(key).map(str::to_owned),
        }
    }

    /// Sets a tag of the service that calls (Kitex's From); bounded like [`set_tag`](Self::set_tag).
    pub fn set_caller_tag(&self, key: &str, value: &str) {
        self.note(|notes| _ = notes.from.set(Symbol::intern(key), value));
    }

    /// Sets a tag of the service that is called (Kitex's To); bounded like [`set_tag`](Self::set_tag).
    pub fn set_callee_tag(&self, key: &str, value: &str) {
        self.note(|notes| _ = notes.to.set(Symbol::intern(key), value));
    }

    /// Adds something that the RPC runtime knows (Kitex's Invocation.Extra); bounded like [`set_tag`](Self::set_tag).
    pub fn set_extra(&self, key: &str, value: &str) {
        self.note(|notes| _ = notes.extra.set(Symbol::intern(key), value));
    }

    /// The application's own status: the RPC succeeds, and the application says no. 0 is success. At most 1 KiB of the
    /// message is kept.
    pub fn set_business_status(&self, status: i32, message: &str) {
        self.note(|notes| notes.business = Some((status, cut(message, MAX_MESSAGE_BYTES).into())));
    }

    /// Adds something to the business status; bounded like [`set_tag`](Self::set_tag).
    pub fn set_business_extra(&self, key: &str, value: &str) {
        self.note(|notes| _ = notes.business_extra.set(Symbol::intern(key), value));
    }

    /// Records that something happens now, if some tracer wants the events of this call.
    pub fn record(&self, kind: EventKind) {
        self.record_with(kind, EventStatus::Info, "");
    }

    /// Records that something happens now, how serious it is, and in words; at most 256 bytes of them are kept.
    pub fn record_with(&self, kind: EventKind, status: EventStatus, info: &str) {
        if self.0.info.level() == Level::Detailed {
            let at = Clock::get().now().saturating_sub(self.0.info.stats.started);
            self.note(|notes| notes.event(kind, at, status, info));
        }
    }

    /// One of several attempts failed: an event of the kind [`EventKind::ATTEMPT_FAILED`] with its number and its error.
    /// Say so of each that fails, the last one included; the call's attempts are counted from it. Numbers begin with 1.
    pub fn attempt_failed(&self, number: u16, error: &dyn fmt::Display) {
        self.note(|notes| notes.failed_attempt = notes.failed_attempt.max(number));
        if self.0.info.level() == Level::Detailed {
            self.record_with(EventKind::ATTEMPT_FAILED, EventStatus::Error, &format!("{number}: {error}"));
        }
    }

    fn note(&self, write: impl FnOnce(&mut RpcNotes)) {
        let mut said = lock(&self.0.notes);
        if let Said::Nothing = *said {
            *said = Said::Notes(Box::default());
        }
        if let Said::Notes(notes) = &mut *said {
            write(notes);
        }
    }

    /// Takes what was said; from now on nothing more is.
    pub(crate) fn close(&self) -> Option<Box<RpcNotes>> {
        let said = &mut *lock(&self.0.notes);
        match std::mem::replace(said, Said::Closed) {
            Said::Notes(notes) => Some(notes),
            Said::Nothing | Said::Closed => None,
        }
    }

    pub(crate) fn tracestate(&self) -> Option<&HeaderValue> {
        self.0.tracestate.as_ref()
    }

    pub(crate) fn extensions(&self) -> &CallExtensions {
        &self.0.extensions
    }
}

impl fmt::Debug for RpcHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcHandle").field("info", &self.0.info).finish_non_exhaustive()
    }
}
