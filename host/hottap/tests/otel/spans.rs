//! A provider whose spans stay in memory, and what tests ask of them.

use std::sync::{Arc, Mutex};

use hottap::otel::SpanTracer;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, ShouldSample, SpanData, SpanExporter};

#[derive(Clone, Debug)]
pub(crate) struct Spans {
    kept: Kept,
    provider: SdkTracerProvider,
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("not poisoned").append(&mut batch);
        Ok(())
    }
}

impl Spans {
    pub(crate) fn new() -> Self {
        Self::sampled(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
    }

    pub(crate) fn sampled(sampler: impl ShouldSample + 'static) -> Self {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).with_sampler(sampler).build();
        Self { kept, provider }
    }

    pub(crate) fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// The tracer, with the names that are the default whatever the environment says.
    pub(crate) fn tracer(&self) -> SpanTracer<SdkTracer> {
        SpanTracer::new(&self.provider).conventions(hottap::otel::Conventions::default())
    }

    /// All that have ended, in the order in which they did.
    pub(crate) fn ended(&self) -> Vec<SpanData> {
        self.kept.0.lock().expect("not poisoned").clone()
    }

    /// The only one with this name.
    #[track_caller]
    pub(crate) fn named(&self, name: &str) -> SpanData {
        let mut found: Vec<_> = self.ended().into_iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "spans named {name:?} of {:?}", self.names());
        found.remove(0)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.ended().iter().map(|span| span.name.to_string()).collect()
    }
}

/// What a span says under a name; "" if nothing. Each name stands in a span once.
#[track_caller]
pub(crate) fn attribute(span: &SpanData, key: &str) -> String {
    let mut values = span.attributes.iter().filter(|attribute| attribute.key.as_str() == key);
    let value = values.next().map(|attribute| attribute.value.to_string());
    assert!(values.next().is_none(), "{key} stands there twice: {:?}", span.attributes);
    value.unwrap_or_default()
}

#[track_caller]
pub(crate) fn assert_attributes(span: &SpanData, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(attribute(span, key), *value, "{key} of {}", span.name);
    }
    let mut keys: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all, "no name stands there twice: {keys:?}");
}

#[track_caller]
pub(crate) fn assert_child(child: &SpanData, parent: &SpanData) {
    assert_eq!(child.span_context.trace_id(), parent.span_context.trace_id(), "one trace");
    assert_eq!(child.parent_span_id, parent.span_context.span_id(), "{} under {}", child.name, parent.name);
}

#[track_caller]
pub(crate) fn assert_root(span: &SpanData) {
    assert_eq!(span.parent_span_id, SpanId::INVALID, "{} is a root", span.name);
}

/// The words of an error; none if the span is none.
pub(crate) fn error(span: &SpanData) -> Option<&str> {
    match &span.status {
        Status::Error { description } => Some(description),
        _ => None,
    }
}
