//! The native tracer that puts calls on the log's lines; spans of OpenTelemetry are `otel`'s.

use super::{CallContext, Tracer};
use crate::propagate::LogSpan;
use crate::rpc::{Level, Side};

/// Opens a span of `tracing` around the handler of every call, so that all that is logged in it says which call it was:
/// `trace_id` and `span_id` in hexadecimal digits, as `traceparent` has them, `side` and `method`.
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry().with(tracing_subscriber::fmt::layer()).init();
/// let tap = hottap::Hottap::builder().tracer(hottap::LogSpans).start()?;
/// // In a handler: INFO call{side="server" method="shop.v1.Checkout/Place" trace_id=0af7… span_id=b7ad…}: sold out
/// # Ok::<_, hottap::StartError>(())
/// ```
///
/// The span is `call` with the target `hottap::call` and the level INFO; where no subscriber wants it, none is made. It is
/// entered whenever the handler is polled and while its response's body is produced, and in tasks that are in the call's
/// [scope](crate::rpc::RpcHandle::scope). Add it after tracers that give calls their identity, such as those of `otel`.
///
/// Who uses `tracing-opentelemetry` needs none of this: beside `otel::SpanTracer`, with
/// `tracing_opentelemetry::layer().with_tracer(otel.tracer_provider().tracer("checkout")).with_filter(LevelFilter::INFO)` as a
/// layer (HTTP/2 has many spans of its own below that level), spans of `tracing` are children of the call's span by themselves,
/// and this one would be one more between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSpans;

impl Tracer for LogSpans {
    fn start(&self, call: &mut CallContext) {
        let (info, trace) = (call.info(), call.info().trace());
        if info.side() == Side::Client {
            // It has no handler, and what it inherits is its caller's.
            return;
        }
        // To a subscriber that makes OpenTelemetry's spans of it, it is inside of the call's.
        let _inside = call.extensions.enter_span();
        let span = tracing::info_span!(
            target: "hottap::call",
            "call",
            side = info.side().as_str(),
            method = info.invocation().method().as_str(),
            trace_id = format_args!("{:032x}", trace.trace_id),
            span_id = format_args!("{:016x}", trace.span_id),
        );
        if !span.is_disabled() {
            call.extensions_mut().insert(LogSpan(span));
        }
    }

    fn finish(&self, _: &CallContext) {}

    fn level(&self, _: Side, _: &str) -> Level {
        Level::Base
    }
}
