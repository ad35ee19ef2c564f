//! The span that is active in a call's handler, as it is kept with the call; it is made in `tracer`.

use opentelemetry::Context;

use super::attributes::Told;

/// A call's span, or what is around a call that has none by choice. Calls that are made in its handler inherit it.
#[derive(Clone, Debug)]
pub(crate) struct ActiveSpan {
    context: Context,
    /// Whose it is, by the call's identity.
    span_id: u64,
    /// How much could be said of what is called when the call started.
    told: Told,
    /// Something is to be said of the call when it ends.
    recording: bool,
}

impl ActiveSpan {
    /// The span of the call with this identity. One that is not `recording` hears nothing of the call's end.
    pub(super) fn new(context: Context, span_id: u64, told: Told, recording: bool) -> Self {
        Self { context, span_id, told, recording }
    }

    /// What is around a call that is not traced by choice; its children are its parent's.
    pub(super) fn around(context: Context, span_id: u64) -> Self {
        Self { context, span_id, told: Told::All, recording: false }
    }

    /// What is active while the handler runs.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// It belongs to the call with this identity.
    pub(super) fn is_of(&self, span_id: u64) -> bool {
        self.span_id == span_id
    }

    pub(super) fn told(&self) -> Told {
        self.told
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording
    }
}
