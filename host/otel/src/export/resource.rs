//! The service's name and attributes, by `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use super::percent;
use super::variables::Variables;

const SERVICE: &str = "OTEL_SERVICE_NAME";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// The environment goes before `service`, the name that the program gives itself.
pub(super) fn resource(variables: &Variables<'_>, service: Option<&str>) -> Resource {
    let expected = "a list of key=value with percent-encoded values, separated by commas";
    // One that can't be read discards them all: so the specification has it.
    let pairs = variables.parsed(ATTRIBUTES, expected, percent::pairs).unwrap_or_default();
    let named = pairs.iter().any(|(key, value)| key == "service.name" && !value.is_empty());
    let name = variables.text(SERVICE).or_else(|| {
        // Every service has a name, so that a collector can tell them apart; an empty one is none.
        (!named).then(|| service.filter(|name| !name.is_empty()).map_or_else(unnamed, str::to_owned))
    });
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(pairs.into_iter().map(|(key, value)| KeyValue::new(key, value)));
    match name {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

fn unnamed() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if program.is_empty() { "unknown_service".to_owned() } else { format!("unknown_service:{program}") }
}
