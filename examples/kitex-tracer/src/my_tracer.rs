//! Kitex's `myTracer`: a span for each call, opened in one function and closed in the other.

use std::time::Duration;

use hottap::rpc::Side;
use hottap::{CallContext, Tracer};

use crate::report::Report;

/// Stands for the span of a tracing library.
#[derive(Clone, Copy)]
struct Span {
    name: &'static str,
    /// Since the Unix epoch.
    began: Duration,
}

pub(crate) struct MyTracer {
    pub(crate) report: Report,
}

impl Tracer for MyTracer {
    fn start(&self, call: &mut CallContext) {
        let name = if call.info().side() == Side::Client { "RPC call" } else { "RPC handle" };
        let began = Duration::from_nanos(call.info().stats().started_unix_nanos());
        call.extensions_mut().insert(Span { name, began });
    }

    fn finish(&self, call: &CallContext) {
        let Some(Span { name, began }) = call.extensions().get().copied() else { return };
        let stats = call.info().stats();
        let ended = Duration::from_nanos(stats.started_unix_nanos()) + stats.duration();
        self.report.add(name, call.info().invocation().method().as_str(), ended.saturating_sub(began));
    }
}
