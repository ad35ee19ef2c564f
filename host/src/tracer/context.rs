//! What a native tracer sees of a call.

use http::Extensions;

use crate::rpc::{RpcInfo, TraceContext};

/// One call: what is known of it, and a place for things that belong to it (Kitex's ctx).
#[derive(Debug)]
pub struct CallContext {
    pub(crate) info: RpcInfo,
    pub(crate) extensions: Extensions,
}

impl CallContext {
    /// What is known of the call. Sizes, status and duration are complete in `finish`.
    #[must_use]
    pub fn info(&self) -> &RpcInfo {
        &self.info
    }

    /// Things that belong to this call, by type.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Things that belong to this call, by type. What is put in during `start` is seen by handlers (in the request's
    /// extensions) and in `finish`.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Gives the call another trace identity, which everything after this sees: the tracers that start later, the
    /// plugins, and the headers that go out.
    pub fn set_trace(&mut self, trace: TraceContext) {
        self.info.trace = trace;
    }
}
