//! Which traces are sampled, by `OTEL_TRACES_SAMPLER` and its argument, and by what the operator says instead.

use std::sync::Arc;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use super::variables::{ConfigError, Variables};
use hottap_core::propagate::{LiveSampler, SAMPLERS, Sampler};

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Default: what the caller says, and every trace that starts here.
pub(super) fn sampler(variables: &Variables<'_>) -> Sampler {
    let Some(name) = variables.text(SAMPLER) else { return Sampler::default() };
    // The argument is read only for a sampler that has one.
    let ratio = match name.to_ascii_lowercase().ends_with("traceidratio") {
        true => {
            let ratio = |text: &str| text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            variables.parsed(ARGUMENT, "a number from 0 to 1", ratio).unwrap_or(1.0)
        }
        false => 1.0,
    };
    Sampler::named(&name, ratio).unwrap_or_else(|| {
        variables.ignore(ConfigError::invalid(SAMPLER, SAMPLERS));
        Sampler::default()
    })
}

/// The sampler in effect, for the SDK.
#[derive(Clone, Debug)]
pub(super) struct SdkSampler(pub(super) Arc<LiveSampler>);

impl ShouldSample for SdkSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.filter(|parent| parent.has_active_span());
        let said = parent.and_then(|parent| {
            let span = parent.span();
            let context = span.span_context();
            // A remote context without ids is a caller's decision about a trace that begins here.
            (context.is_valid() || context.is_remote()).then(|| context.is_sampled())
        });
        let sampled = self.0.get().decide(said, u128::from_be_bytes(trace_id.to_bytes()));
        SamplingResult {
            decision: if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: parent.map(|parent| parent.span().span_context().trace_state().clone()).unwrap_or_default(),
        }
    }
}
