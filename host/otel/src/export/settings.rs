//! All that the environment says of export, read at once, before anything is started.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

use super::limits::Limits;
use super::resource::resource;
use super::sampler::sampler;
use super::target::{Signal, Target};
use super::variables::{ConfigError, Variables};
use hottap_core::propagate::{PROPAGATORS, PROPAGATORS_VARIABLE, Propagators, Sampler};

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
    fn read(variables: &Variables<'_>) -> Self {
        let temporalities = [
            ("cumulative", Temporality::Cumulative),
            ("delta", Temporality::Delta),
            ("lowmemory", Temporality::LowMemory),
        ];
        let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        Self {
            interval: variables
                .millis("OTEL_METRIC_EXPORT_INTERVAL", Duration::from_secs(60))
                .max(Duration::from_millis(100)),
            timeout: variables.timeout("OTEL_METRIC_EXPORT_TIMEOUT", Duration::from_secs(30)),
            temporality: variables
                .word(preference, "cumulative, delta or lowmemory", &temporalities)
                .unwrap_or(Temporality::Cumulative),
        }
    }
}

/// Settings that ask for something that is not there: without a word they would be taken for granted.
fn ignore_unsupported(variables: &Variables<'_>) {
    const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    for file in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        variables.parsed(file, "unset, as configuration files are not read", |_| None::<()>);
    }
    let only = "explicit_bucket_histogram";
    variables.word(HISTOGRAMS, only, &[(only, ())]);
}

/// The propagators are the Hottap's, which warns by itself when it starts.
pub(super) fn check_propagators(variables: &Variables<'_>) {
    let known = |list: &str| Propagators::parse(list).1.is_none().then_some(());
    variables.parsed(PROPAGATORS_VARIABLE, PROPAGATORS, known);
}

impl Settings {
    /// Variables that can't be used are ignored, but for those that say where to, as whom, and to whom something is sent:
    /// instead of these nothing is guessed.
    pub(super) fn read(variables: &Variables<'_>, service: Option<&str>) -> Result<Self, ConfigError> {
        let target = |signal: Signal| signal.is_wanted(variables).then(|| Target::read(variables, signal)).transpose();
        ignore_unsupported(variables);
        let queue = variables.count("OTEL_BSP_MAX_QUEUE_SIZE", 2_048, MAX_SPANS);
        let batch = variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, MAX_SPANS);
        Ok(Self {
            disabled: variables.flag("OTEL_SDK_DISABLED"),
            resource: resource(variables, service),
            sampler: sampler(variables),
            traces: target(Signal::Traces)?,
            batch: BatchSettings {
                queue,
                // More than can wait never come together.
                batch: batch.min(queue),
                // The thread is not to turn in circles.
                delay: variables
                    .millis("OTEL_BSP_SCHEDULE_DELAY", Duration::from_secs(5))
                    .max(Duration::from_millis(1)),
                timeout: variables.timeout("OTEL_BSP_EXPORT_TIMEOUT", Duration::from_secs(30)),
                limits: Limits::read(variables),
            },
            metrics: target(Signal::Metrics)?,
            reader: MetricSettings::read(variables),
        })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    /// The settings, and the variables that were ignored.
    fn read(table: &[(&str, &str)], service: Option<&str>) -> Result<(Settings, Vec<String>), ConfigError> {
        let find = |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let variables = Variables::new(&find);
        check_propagators(&variables);
        let settings = Settings::read(&variables, service)?;
        let ignored = variables.into_ignored().into_iter().map(|problem| match problem {
            ConfigError::Invalid { variable, .. } => variable,
            other => panic!("{other:?}"),
        });
        Ok((settings, ignored.collect()))
    }

    fn named(name: &str, ratio: f64) -> Sampler {
        Sampler::named(name, ratio).expect(name)
    }

    #[test]
    fn the_defaults_are_the_specifications() {
        let (settings, ignored) = read(&[], None).expect("valid");
        assert!(ignored.is_empty(), "{ignored:?}");
        let second = Duration::from_secs;
        let BatchSettings { queue, batch, delay, timeout, limits } = settings.batch;
        assert_eq!((queue, batch, delay, timeout), (2_048, 512, second(5), second(30)));
        assert_eq!((limits.counts.max_attributes_per_span, limits.length), (128, None));
        let reader = MetricSettings { interval: second(60), timeout: second(30), temporality: Temporality::Cumulative };
        assert_eq!((settings.disabled, settings.reader), (false, reader));
        assert_eq!(settings.traces.map(|target| target.timeout), Some(second(10)));
        assert_eq!(settings.sampler, named("parentbased_always_on", 1.0));
    }

    #[test]
    fn the_service_has_a_name() {
        let name = |table: &[(&str, &str)], service| {
            let resource = read(table, service).expect("valid").0.resource;
            resource.get(&Key::from_static_str("service.name")).map_or_else(String::new, |name| name.to_string())
        };
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=listed,zone=b%2C1");
        assert!(name(&[], None).starts_with("unknown_service"));
        assert_eq!(name(&[], Some("own")), "own");
        assert_eq!(name(&[attributes], Some("own")), "listed");
        assert_eq!(name(&[attributes, ("OTEL_SERVICE_NAME", "variable")], Some("own")), "variable");
        assert_eq!(name(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=,zone=1")], Some("own")), "own");
        let resource = read(&[attributes], None).expect("valid").0.resource;
        assert_eq!(resource.get(&Key::from_static_str("zone")).map(|zone| zone.to_string()).as_deref(), Some("b,1"));
    }

    type Effect = fn(&Settings) -> String;

    fn spans(settings: &Settings) -> String {
        let BatchSettings { queue, batch, delay, timeout, .. } = settings.batch;
        format!("{queue} {batch} {delay:?} {timeout:?}")
    }

    fn reader(settings: &Settings) -> String {
        format!("{:?} {:?} {:?}", settings.reader.interval, settings.reader.timeout, settings.reader.temporality)
    }

    fn limits(settings: &Settings) -> String {
        let counts = settings.batch.limits.counts;
        let of_span = [counts.max_attributes_per_span, counts.max_events_per_span, counts.max_links_per_span];
        let inside = [counts.max_attributes_per_event, counts.max_attributes_per_link];
        format!("{of_span:?} {inside:?} {:?}", settings.batch.limits.length)
    }

    fn traces(settings: &Settings) -> String {
        settings.traces.as_ref().map_or_else(
            || "none".to_owned(),
            |target| format!("{} gzip={} {:?}", target.protocol.as_str(), target.gzip, target.timeout),
        )
    }

    fn metrics(settings: &Settings) -> String {
        settings.metrics.as_ref().map_or_else(
            || "none".to_owned(),
            |target| format!("{} gzip={} {:?}", target.protocol.as_str(), target.gzip, target.timeout),
        )
    }

    fn disabled(settings: &Settings) -> String {
        settings.disabled.to_string()
    }

    fn nothing(_: &Settings) -> String {
        String::new()
    }

    /// The attributes of the resource that are not the SDK's own.
    fn resource_of(settings: &Settings) -> String {
        let own = |key: &Key| key.as_str().starts_with("telemetry.sdk");
        let attributes = settings.resource.iter().filter(|(key, _)| !own(key));
        let mut list: Vec<_> = attributes.map(|(key, value)| format!("{key}={value}")).collect();
        list.sort();
        list.join(",")
    }

    /// Every variable that is read: one value that can be used and changes something, and those that can't, which change
    /// nothing and are warned of.
    #[test]
    fn a_variable_that_cannot_be_used_is_ignored_with_a_warning() {
        let (span_defaults, reader_defaults) = ("2048 512 5s 30s", "60s 30s Cumulative");
        let (limit_defaults, target_defaults) = ("[128, 128, 128] [128, 128] None", "http/protobuf gzip=false 10s");
        let numbers = ["many", "-1", "1.5", "5s", "1e3", "0x10", "99999999999999999999"];
        let counts = [&numbers[..], &["0", "99999999999"]].concat();
        let words = ["sometimes", "0", "true", "none,none"];
        let of = |effect: Effect, default: &'static str| (effect, default);
        let (batch, times, limit) = (of(spans, span_defaults), of(reader, reader_defaults), of(limits, limit_defaults));
        let (trace, metric) = (of(traces, target_defaults), of(metrics, target_defaults));
        for (variable, (effect, default), valid, expected, invalid) in [
            ("OTEL_BSP_MAX_QUEUE_SIZE", batch, "100", "100 100 5s 30s", &counts[..]),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batch, "1", "2048 1 5s 30s", &counts),
            ("OTEL_BSP_SCHEDULE_DELAY", batch, "0", "2048 512 1ms 30s", &numbers),
            ("OTEL_BSP_EXPORT_TIMEOUT", batch, "0", "2048 512 5s 86400s", &numbers),
            ("OTEL_METRIC_EXPORT_INTERVAL", times, "200", "200ms 30s Cumulative", &numbers),
            ("OTEL_METRIC_EXPORT_TIMEOUT", times, "7", "60s 7ms Cumulative", &numbers),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", times, "LowMemory", "60s 30s LowMemory", &words),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", limit, "0", "[0, 128, 128] [128, 128] None", &numbers),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", limit, "3", "[128, 3, 128] [128, 128] None", &numbers),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", limit, "3", "[128, 128, 3] [128, 128] None", &numbers),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", limit, "3", "[128, 128, 128] [3, 128] None", &numbers),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", limit, "3", "[128, 128, 128] [128, 3] None", &numbers),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", limit, "7", "[7, 128, 128] [7, 7] None", &numbers),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit, "9", "[128, 128, 128] [128, 128] Some(9)", &numbers),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit, "9", "[128, 128, 128] [128, 128] Some(9)", &numbers),
            ("OTEL_TRACES_EXPORTER", trace, "None", "none", &["jaeger", "console", "zipkin,console"]),
            ("OTEL_METRICS_EXPORTER", metric, "none", "none", &["prometheus", "console", "OTLP,stdout"]),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", trace, "GRPC", "grpc gzip=false 10s", &["http/json", "thrift", "1"]),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", trace, "grpc", "grpc gzip=false 10s", &["http/json"]),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", metric, "grpc", "grpc gzip=false 10s", &["http/json"]),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", trace, "GZip", "http/protobuf gzip=true 10s", &["zstd", "true"]),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", trace, "gzip", "http/protobuf gzip=true 10s", &["1"]),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", metric, "gzip", "http/protobuf gzip=true 10s", &["1"]),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", trace, "5", "http/protobuf gzip=false 5ms", &numbers),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", trace, "5", "http/protobuf gzip=false 5ms", &numbers),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", metric, "5", "http/protobuf gzip=false 5ms", &numbers),
            ("OTEL_EXPORTER_OTLP_INSECURE", of(nothing, ""), "TRUE", "", &["1", "yes", "on"]),
            ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", of(nothing, ""), "false", "", &["1"]),
            ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", of(nothing, ""), "False", "", &["1"]),
            ("OTEL_SDK_DISABLED", of(disabled, "false"), "True", "true", &["1", "yes", "on", "disabled"]),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                of(resource_of, "service.name=own"),
                "a=%41,b=x y",
                "a=A,b=x y,service.name=own",
                &["nonsense", "a=1,nonsense", "=1,a=1", "a=1,b=%FF"],
            ),
            ("OTEL_SERVICE_NAME", of(resource_of, "service.name=own"), "cart", "service.name=cart", &[]),
            ("OTEL_PROPAGATORS", of(nothing, ""), "B3,none", "", &["ottrace", "tracecontext,xray"]),
            (
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                of(nothing, ""),
                "Explicit_Bucket_Histogram",
                "",
                &["base2_exponential_bucket_histogram", "buckets"],
            ),
            ("OTEL_CONFIG_FILE", of(nothing, ""), "", "", &["/etc/otel.yaml"]),
            ("OTEL_EXPERIMENTAL_CONFIG_FILE", of(nothing, ""), "", "", &["/etc/otel.yaml"]),
        ] {
            let check = |value: &str, expected: &str, is_ignored: bool| {
                let (settings, ignored) = read(&[(variable, value)], Some("own")).expect(variable);
                assert_eq!(effect(&settings), expected, "{variable}={value:?}");
                assert_eq!(ignored, Vec::from_iter(is_ignored.then_some(variable)), "{variable}={value:?}");
            };
            check(valid, expected, false);
            check(&format!(" {valid} "), expected, false);
            check("", default, false);
            check("  ", default, false);
            for value in invalid {
                check(value, default, true);
            }
        }
    }

    #[test]
    fn a_sampler_and_its_argument_are_ignored_each_for_itself() {
        let (sampler, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
        for (name, arg, expected, warned) in [
            ("", "", named("parentbased_always_on", 1.0), None),
            ("always_on", "", named("always_on", 1.0), None),
            ("ALWAYS_OFF", "", named("always_off", 1.0), None),
            ("traceidratio", "0.25", named("traceidratio", 0.25), None),
            ("parentbased_traceidratio", "0", named("parentbased_traceidratio", 0.0), None),
            ("traceidratio", "", named("traceidratio", 1.0), None),
            ("traceidratio", "many", named("traceidratio", 1.0), Some(argument)),
            ("traceidratio", "1.5", named("traceidratio", 1.0), Some(argument)),
            ("TraceIdRatio", "-0.1", named("traceidratio", 1.0), Some(argument)),
            ("traceidratio", "NaN", named("traceidratio", 1.0), Some(argument)),
            ("parentbased_traceidratio", "inf", named("parentbased_traceidratio", 1.0), Some(argument)),
            ("parentbased_traceidratio", "10%", named("parentbased_traceidratio", 1.0), Some(argument)),
            ("always_on", "many", named("always_on", 1.0), None),
            ("sometimes", "0.5", Sampler::default(), Some(sampler)),
            ("jaeger_remote", "endpoint=http://j:1", Sampler::default(), Some(sampler)),
            ("parentbased_jaeger_remote", "", Sampler::default(), Some(sampler)),
            ("xray", "", Sampler::default(), Some(sampler)),
            ("", "many", Sampler::default(), None),
        ] {
            let (settings, ignored) = read(&[(sampler, name), (argument, arg)], None).expect(name);
            assert_eq!(settings.sampler, expected, "{name} {arg}");
            assert_eq!(ignored, Vec::from_iter(warned), "{name} {arg}");
        }
    }

    #[test]
    fn an_exporter_that_is_known_counts_beside_one_that_is_not() {
        for (list, is_exported, is_ignored) in [
            ("otlp", true, false),
            (" OTLP , otlp ", true, false),
            ("otlp,console", true, true),
            ("console", true, true),
            ("none", false, false),
            ("none,console", false, true),
            ("none,otlp", false, true),
            (",", true, false),
        ] {
            let (settings, ignored) = read(&[("OTEL_TRACES_EXPORTER", list)], None).expect(list);
            assert_eq!((settings.traces.is_some(), !ignored.is_empty()), (is_exported, is_ignored), "{list}");
        }
    }

    #[test]
    fn a_signal_may_go_nowhere() {
        let none = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "True")];
        let (settings, _) = read(&none, None).expect("valid");
        assert!(settings.disabled && settings.traces.is_none() && settings.metrics.is_some());
    }
}
