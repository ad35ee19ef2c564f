//! A call's span in the log, as it is kept with the call; who makes it is not known here.

use tracing::Span;
use tracing::span::EnteredSpan;

/// Entered whenever the call's handler runs.
#[derive(Clone, Debug)]
pub(crate) struct LogSpan(pub(crate) Span);

impl LogSpan {
    pub(super) fn enter(&self) -> EnteredSpan {
        self.0.clone().entered()
    }
}
