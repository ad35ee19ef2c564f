//! Values that are attached to a call, and go on with the calls that are made in its handler.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use http::{Extensions, HeaderValue};

use super::{RpcInfo, TraceContext};

/// The span of a call, as the tracer that made it keeps it.
///
/// A trait object, because OpenTelemetry is not part of the core.
pub trait ActiveSpan: Any + Send + Sync + fmt::Debug {
    /// The identity under which the other side sees a call of these attachments, and the trace state that goes with it.
    /// None if the call is to be seen as the child of no span.
    fn outgoing(&self, info: &RpcInfo, tracestate: Option<&HeaderValue>)
    -> Option<(TraceContext, Option<HeaderValue>)>;

    /// Makes the span the active one of this thread. Called before each poll of the handler and of its response's body;
    /// must not block. [`leave`](Self::leave) follows on the same thread, also if the poll panics.
    fn enter(&self);

    /// Makes the span active again that was active before [`enter`](Self::enter). Calls are nested.
    fn leave(&self);
}

/// The span of a call while it is the active one of this thread.
#[derive(Default)]
pub(crate) struct EnteredSpan(Option<Arc<dyn ActiveSpan>>);

impl Drop for EnteredSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(span) = &self.0 {
            span.leave();
        }
    }
}

/// Values by their type, and the span of the call beside them.
///
/// The span has a place of its own because most calls have one: among the others it would cost two allocations more (their
/// table, the table's entries) and two hashes.
#[derive(Clone, Debug, Default)]
pub struct CallExtensions {
    by_type: Extensions,
    /// The span of the call, if a tracer has made one.
    pub span: Option<Arc<dyn ActiveSpan>>,
}

impl CallExtensions {
    /// Makes the span of the call, if it has one, the active one of this thread until the guard is dropped.
    #[inline]
    pub(crate) fn enter_span(&self) -> EnteredSpan {
        let span = self.span.clone();
        if let Some(span) = &span {
            span.enter();
        }
        EnteredSpan(span)
    }
}

impl Deref for CallExtensions {
    type Target = Extensions;

    fn deref(&self) -> &Extensions {
        &self.by_type
    }
}

impl DerefMut for CallExtensions {
    fn deref_mut(&mut self) -> &mut Extensions {
        &mut self.by_type
    }
}
