//! Log lines of handlers, and which call they say they are about.

use std::convert::Infallible;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::{RpcInfo, TraceContext};
use hottap::{Hottap, LogSpans, RequestBody};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Keeps each line as a formatter would write it: the fields of the spans around it, then its own.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        context.span(id).expect("it is new").extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            let _ = write!(line.0, "[{}]", span.extensions().get::<Fields>().expect("kept").0);
        }
        event.record(&mut line);
        self.0.lock().expect("not poisoned").push(line.0);
    }
}

impl Lines {
    fn all(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }
}

fn ids(trace: &TraceContext) -> String {
    format!("trace_id={:032x} span_id={:016x}", trace.trace_id, trace.span_id)
}

#[tokio::test]
async fn lines_of_a_handler_say_which_call_they_are_about() {
    let tap = Hottap::builder().tracer(LogSpans).start().expect("starts");
    let lines = Lines::default();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let identity = Arc::new(Mutex::new(None));
    let keep = identity.clone();
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let keep = keep.clone();
        async move {
            let rpc = RpcInfo::current().expect("it is traced");
            *keep.lock().expect("not poisoned") = TraceContext::current();
            tracing::info!("before");
            // Others may be polled on this thread in between; the span is entered again.
            tokio::task::yield_now().await;
            tracing::info!("after");
            tokio::spawn(rpc.scope(async { tracing::info!("spawned") })).await.expect("ends");
            tokio::spawn(async { tracing::info!("elsewhere") }).await.expect("ends");
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    tap.server_layer().layer(handler).oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
    tracing::info!("outside");
    let trace = identity.lock().expect("not poisoned").take().expect("it was handled");
    let span = format!("[call side=\"server\" method=\"GET\" {}]", ids(&trace));
    let expected = [
        format!("{span} message=before"),
        format!("{span} message=after"),
        format!("{span} message=spawned"),
        " message=elsewhere".to_owned(),
        " message=outside".to_owned(),
    ];
    assert_eq!(lines.all(), expected);
}
