//! Spans on their way out: gathered into requests of bounded size.

use hottap_guest::outbox::{Items, Outlet};

use crate::otlp::{self, Common};

/// Spans in a request: the size of a batch in OpenTelemetry's own SDKs, which collectors are tuned for.
const MAX_SPANS: usize = 512;

/// The requests that are being filled.
#[derive(Debug)]
pub(crate) struct Request(Items);

impl Request {
    pub(crate) fn new(common: Common, outlet: Outlet) -> Self {
        let around = otlp::around(&common);
        let items = Items::new(outlet).max_items(MAX_SPANS);
        Self(items.envelope(around, move |spans| otlp::request(&common, spans)))
    }

    /// Adds a span, which `write` writes field by field.
    #[inline]
    pub(crate) fn span(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.item(|spans| otlp::span(spans, write));
    }

    /// Sends what there is.
    pub(crate) fn send(&mut self) {
        self.0.send();
    }
}
