//! All that the environment says of export, read at once, before anything is started.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::Sampler;

use super::limits::Limits;
use super::resource::resource;
use super::sampler::sampler;
use super::target::{Signal, Target};
use super::variables::{ConfigError, Variables};

/// Spans that may be kept for export, whatever the environment says: each is some kilobytes.
const MAX_SPANS: usize = 1_000_000;

#[derive(Debug)]
pub(super) struct Settings {
    /// `OTEL_SDK_DISABLED=true`: nothing is made and nothing is changed.
    pub(super) disabled: bool,
    pub(super) resource: Resource,
    pub(super) sampler: Sampler,
    /// None if spans go nowhere.
    pub(super) traces: Option<Target>,
    pub(super) batch: BatchSettings,
    pub(super) metrics: Option<Target>,
    pub(super) reader: MetricSettings,
}

/// How spans are gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchSettings {
    /// Spans that wait; more are dropped.
    pub(super) queue: usize,
    /// Spans that are sent at once.
    pub(super) batch: usize,
    /// How long a span waits at most for others.
    pub(super) delay: Duration,
    /// How long a batch is tried to be sent, with all attempts.
    pub(super) timeout: Duration,
    pub(super) limits: Limits,
}

/// How metrics are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MetricSettings {
    /// How often.
    pub(super) interval: Duration,
    /// How long an export is tried, with all attempts.
    pub(super) timeout: Duration,
    /// Since when the numbers count.
    pub(super) temporality: Temporality,
}

impl MetricSettings {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        const PREFERENCE: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        let temporality = match variables.word(PREFERENCE).as_deref() {
            None | Some("cumulative") => Temporality::Cumulative,
            Some("delta") => Temporality::Delta,
            Some("lowmemory") => Temporality::LowMemory,
            Some(_) => return Err(ConfigError::invalid(PREFERENCE, "cumulative, delta or lowmemory")),
        };
        Ok(Self {
            interval: variables
                .millis("OTEL_METRIC_EXPORT_INTERVAL", Duration::from_secs(60))?
                .max(Duration::from_millis(100)),
            timeout: variables.timeout("OTEL_METRIC_EXPORT_TIMEOUT", Duration::from_secs(30))?,
            temporality,
        })
    }
}

/// Whoever sets one of these wants something that is not there, so that it is an error and no surprise.
fn refuse(variables: &Variables<'_>) -> Result<(), ConfigError> {
    const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    for file in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        if variables.text(file).is_some() {
            return Err(ConfigError::invalid(file, "unset, as configuration files are not read"));
        }
    }
    match variables.word(HISTOGRAMS).as_deref() {
        None | Some("explicit_bucket_histogram") => Ok(()),
        Some(_) => Err(ConfigError::invalid(HISTOGRAMS, "explicit_bucket_histogram")),
    }
}

impl Settings {
    pub(super) fn read(variables: &Variables<'_>, service: Option<&str>) -> Result<Self, ConfigError> {
        let target = |signal: Signal| {
            let wanted = signal.is_wanted(variables)?;
            wanted.then(|| Target::read(variables, signal)).transpose()
        };
        refuse(variables)?;
        let queue = variables.count("OTEL_BSP_MAX_QUEUE_SIZE", 2_048, MAX_SPANS)?;
        let batch = variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, MAX_SPANS)?;
        Ok(Self {
            disabled: variables.flag("OTEL_SDK_DISABLED"),
            resource: resource(variables, service)?,
            sampler: sampler(variables)?,
            traces: target(Signal::Traces)?,
            batch: BatchSettings {
                queue,
                // More than can wait never come together.
                batch: batch.min(queue),
                // The thread is not to turn in circles.
                delay: variables
                    .millis("OTEL_BSP_SCHEDULE_DELAY", Duration::from_secs(5))?
                    .max(Duration::from_millis(1)),
                timeout: variables.timeout("OTEL_BSP_EXPORT_TIMEOUT", Duration::from_secs(30))?,
                limits: Limits::read(variables)?,
            },
            metrics: target(Signal::Metrics)?,
            reader: MetricSettings::read(variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    fn read(table: &[(&str, &str)], service: Option<&str>) -> Result<Settings, ConfigError> {
        let find = |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::read(&Variables(&find), service)
    }

    #[test]
    fn the_defaults_are_the_specifications() {
        let settings = read(&[], None).expect("valid");
        let second = Duration::from_secs;
        let BatchSettings { queue, batch, delay, timeout, limits } = settings.batch;
        assert_eq!((queue, batch, delay, timeout), (2_048, 512, second(5), second(30)));
        assert_eq!((limits.counts.max_attributes_per_span, limits.length), (128, None));
        let reader = MetricSettings { interval: second(60), timeout: second(30), temporality: Temporality::Cumulative };
        assert_eq!((settings.disabled, settings.reader), (false, reader));
        assert_eq!(settings.traces.map(|target| target.timeout), Some(second(10)));
        assert!(matches!(settings.sampler, Sampler::ParentBased(_)));
    }

    #[test]
    fn the_service_has_a_name() {
        let name = |table: &[(&str, &str)], service| {
            let resource = read(table, service).expect("valid").resource;
            resource.get(&Key::from_static_str("service.name")).map_or_else(String::new, |name| name.to_string())
        };
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=listed,zone=b%2C1");
        assert!(name(&[], None).starts_with("unknown_service"));
        assert_eq!(name(&[], Some("own")), "own");
        assert_eq!(name(&[attributes], Some("own")), "listed");
        assert_eq!(name(&[attributes, ("OTEL_SERVICE_NAME", "variable")], Some("own")), "variable");
        assert_eq!(name(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=,zone=1")], Some("own")), "own");
        let resource = read(&[attributes], None).expect("valid").resource;
        assert_eq!(resource.get(&Key::from_static_str("zone")).map(|zone| zone.to_string()).as_deref(), Some("b,1"));
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        for (variable, value) in [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "-1"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
            ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "few"),
            ("OTEL_CONFIG_FILE", "/etc/otel.yaml"),
            ("OTEL_EXPERIMENTAL_CONFIG_FILE", "/etc/otel.yaml"),
        ] {
            let error = read(&[(variable, value)], None).expect_err(value).to_string();
            assert!(error.contains(&format!(" {variable} ")), "{error}");
        }
        let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1.5")];
        assert!(read(&ratio, None).expect_err("too much").to_string().contains("OTEL_TRACES_SAMPLER_ARG"));
    }

    #[test]
    fn metrics_are_cumulative_unless_another_temporality_is_preferred() {
        for (value, expected) in [
            ("", Temporality::Cumulative),
            ("Cumulative", Temporality::Cumulative),
            ("DELTA", Temporality::Delta),
            ("lowmemory", Temporality::LowMemory),
        ] {
            let settings = read(&[("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", value)], None).expect(value);
            assert_eq!(settings.reader.temporality, expected, "{value:?}");
        }
    }

    #[test]
    fn a_signal_may_go_nowhere() {
        let none = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "True")];
        let settings = read(&none, None).expect("valid");
        assert!(settings.disabled && settings.traces.is_none() && settings.metrics.is_some());
    }
}
