//! Spans on their way out: gathered into requests of bounded size.

use hottap_guest::outbox::Outlet;

use crate::otlp::{self, Common};

/// Spans in a request: the size of a batch in OpenTelemetry's own SDKs, which collectors are tuned for.
const MAX_SPANS: u64 = 512;
/// Bytes of spans after which a request is sent; the span that goes beyond goes with it. Collectors take 4 MiB by
/// default, and a span has at most some 100 KiB.
const MAX_BYTES: usize = 256 * 1024;

/// The request that is being filled.
#[derive(Debug)]
pub(crate) struct Request {
    common: Common,
    spans: Vec<u8>,
    count: u64,
    outlet: Outlet,
}

impl Request {
    pub(crate) fn new(common: Common, outlet: Outlet) -> Self {
        Self { common, spans: Vec::new(), count: 0, outlet }
    }

    /// Adds a span, which `write` writes field by field.
    #[inline]
    pub(crate) fn span(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        otlp::span(&mut self.spans, write);
        self.count += 1;
        if self.count >= MAX_SPANS || self.spans.len() >= MAX_BYTES {
            self.send();
        }
    }

    /// Sends what there is.
    pub(crate) fn send(&mut self) {
        if self.count > 0 {
            self.outlet.send(&otlp::request(&self.common, &self.spans), self.count);
        }
        self.spans.clear();
        self.count = 0;
    }
}
