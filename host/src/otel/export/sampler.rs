//! Which traces are sampled, by `OTEL_TRACES_SAMPLER` and its argument.

use opentelemetry_sdk::trace::Sampler;

use super::variables::{ConfigError, Variables};

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Default: what the caller says, and every trace that starts here.
pub(super) fn sampler(variables: &Variables<'_>) -> Result<Sampler, ConfigError> {
    let parent = |sampler| Sampler::ParentBased(Box::new(sampler));
    let Some(name) = variables.text(SAMPLER) else { return Ok(parent(Sampler::AlwaysOn)) };
    Ok(match name.to_ascii_lowercase().as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(variables)?),
        "parentbased_always_on" => parent(Sampler::AlwaysOn),
        "parentbased_always_off" => parent(Sampler::AlwaysOff),
        "parentbased_traceidratio" => parent(Sampler::TraceIdRatioBased(ratio(variables)?)),
        _ => {
            let expected = "always_on, always_off, traceidratio, or one of these with parentbased_ before it";
            return Err(ConfigError::invalid(SAMPLER, expected));
        }
    })
}

fn ratio(variables: &Variables<'_>) -> Result<f64, ConfigError> {
    let Some(text) = variables.text(ARGUMENT) else { return Ok(1.0) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| ConfigError::invalid(ARGUMENT, "a number from 0 to 1"))
}
