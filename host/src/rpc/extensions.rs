//! What is attached to a call, and goes on with the calls that are made in its handler.

use std::ops::{Deref, DerefMut};

use http::Extensions;

/// Things by their type, and OpenTelemetry's span beside them.
///
/// The span has a place of its own because each call has one: among the others it would cost three allocations (their
/// table, the table's entries, the span's box) and two hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallExtensions {
    by_type: Extensions,
    #[cfg(feature = "otel")]
    pub(crate) span: Option<crate::otel::ActiveSpan>,
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
