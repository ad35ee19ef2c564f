//! Baggage that the application has put into the active context of a tracing library, for the calls that it makes there.

use std::sync::OnceLock;

use super::Baggage;
use crate::rpc::ActiveSpan;

/// The active context of a tracing library, as far as it has baggage.
pub trait ActiveBaggage: Send + Sync {
    /// The baggage of a call that is made now on this thread. `came` is the baggage that the caller of the handler sent, and
    /// `span` the span of the handler's call.
    fn outgoing(&self, came: Option<&Baggage>, span: Option<&dyn ActiveSpan>) -> Option<Baggage>;
}

static ACTIVE: OnceLock<&'static dyn ActiveBaggage> = OnceLock::new();

/// Adds the baggage of this library's active context to calls from now on, in the whole process. The first one counts.
pub fn set_active_baggage(active: &'static dyn ActiveBaggage) {
    let _ = ACTIVE.set(active);
}

/// The baggage of a call that is made now; `came` alone if no library has a context.
#[inline]
pub(super) fn baggage(came: Option<&Baggage>, span: Option<&dyn ActiveSpan>) -> Option<Baggage> {
    match ACTIVE.get() {
        Some(active) => active.outgoing(came, span),
        None => came.cloned(),
    }
}
