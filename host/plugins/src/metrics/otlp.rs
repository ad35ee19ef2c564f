//! Metrics as OTLP's messages have them: what tracers record in their own words, and what the host knows of them. Who
//! sends the messages is not known here.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ScopeMetrics, Sum, metric,
    number_data_point,
};

use super::instrument::{Definition, Kind};
use super::registry::Registry;
use super::series::label_values;
use super::sink::{Families, Samples};
use super::snapshot::{MetricValues, Snapshot, Value};

/// All of OTLP's counters and histograms here are totals since their start.
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// What the host knows, in the scope `hottap` and with the names that Prometheus reads.
pub(crate) struct HostMetrics {
    started_unix_nanos: u64,
    now_unix_nanos: u64,
    families: BTreeMap<String, Points>,
}

/// One family.
pub(crate) struct Points {
    kind: Kind,
    help: String,
    started_unix_nanos: u64,
    now_unix_nanos: u64,
    points: Vec<NumberDataPoint>,
}

impl HostMetrics {
    /// Counters began at `started`; both in nanoseconds of Unix time.
    pub(crate) fn new(started: u64, now: u64) -> Self {
        Self { started_unix_nanos: started, now_unix_nanos: now, families: BTreeMap::new() }
    }

    pub(crate) fn finish(self) -> ScopeMetrics {
        let families = self.families.into_iter().filter(|(_, family)| !family.points.is_empty());
        let metrics = families.map(|(name, family)| Metric {
            name,
            description: family.help,
            data: Some(numbers(family.kind, family.points)),
            ..Metric::default()
        });
        scope("hottap", metrics.collect())
    }
}

impl Families for HostMetrics {
    type Family = Points;

    fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Points {
        self.families.entry(name.to_owned()).or_insert_with(|| Points {
            kind,
            help: help.to_owned(),
            started_unix_nanos: self.started_unix_nanos,
            now_unix_nanos: self.now_unix_nanos,
            points: Vec::new(),
        })
    }
}

impl Samples for Points {
    fn sample<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: f64) {
        self.points.push(NumberDataPoint {
            attributes: labels.into_iter().map(|(key, value)| attribute(key, text(value))).collect(),
            start_time_unix_nano: self.started_unix_nanos,
            time_unix_nano: self.now_unix_nanos,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        });
    }
}

impl Registry {
    /// All committed series, a scope for each tracer with its name; what the host knows of them goes to `host`. `began`
    /// tells the Unix time, in nanoseconds, of the moment in milliseconds of the registry's clock at which a series began,
    /// and always the same one: another would be taken for a counter that began anew.
    ///
    /// Names, units, keys and bounds are the tracer's own. Each point has the attribute `tracer`, too: not every reader
    /// keeps scopes, and two tracers may have metrics of one name. A label without a value is no attribute, as it is no
    /// label to Prometheus. Of one tracer's commit there is everything or nothing.
    pub(crate) fn scopes(&self, host: &mut HostMetrics, now_ms: u64, began: impl Fn(u64) -> u64) -> Vec<ScopeMetrics> {
        let now = host.now_unix_nanos;
        let owners = self.swept(now_ms);
        let scopes = owners.iter().map(|owner| {
            let shown = Snapshot::of(owner);
            owner.write_known(shown.series, host);
            let metrics = shown.metrics.iter().map(|metric| metric.to_otlp(&owner.tracer, now, &began));
            scope(&owner.tracer, metrics.collect())
        });
        scopes.filter(|scope| !scope.metrics.is_empty()).collect()
    }
}

impl MetricValues {
    fn to_otlp(&self, tracer: &str, now: u64, began: impl Fn(u64) -> u64) -> Metric {
        let definition = &*self.definition;
        let number = |series: Value<'_>| NumberDataPoint {
            attributes: attributes(tracer, definition, series.labels),
            start_time_unix_nano: began(series.since_ms),
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(series.value)),
            ..NumberDataPoint::default()
        };
        let histogram = |series: Value<'_>| HistogramDataPoint {
            attributes: attributes(tracer, definition, series.labels),
            start_time_unix_nano: began(series.since_ms),
            time_unix_nano: now,
            count: series.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count)),
            sum: Some(series.value),
            bucket_counts: series.buckets.to_vec(),
            explicit_bounds: definition.bounds.to_vec(),
            ..HistogramDataPoint::default()
        };
        let data = match definition.kind {
            kind @ (Kind::Counter | Kind::Gauge) => numbers(kind, self.series().map(number).collect()),
            Kind::Histogram => {
                let data_points = self.series().map(histogram).collect();
                metric::Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE })
            }
        };
        Metric {
            name: definition.name.to_string(),
            description: definition.help.to_string(),
            unit: definition.unit.to_string(),
            data: Some(data),
            ..Metric::default()
        }
    }
}

fn numbers(kind: Kind, data_points: Vec<NumberDataPoint>) -> metric::Data {
    match kind {
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points }),
        _ => metric::Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true }),
    }
}

fn scope(name: &str, metrics: Vec<Metric>) -> ScopeMetrics {
    let scope = InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() };
    ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }
}

fn attributes(tracer: &str, definition: &Definition, labels: Option<&[u8]>) -> Vec<KeyValue> {
    let of_series = match labels {
        None => vec![attribute("otel.metric.overflow", any_value::Value::BoolValue(true))],
        Some(labels) => {
            let pairs = definition.keys.iter().zip(label_values(labels)).filter(|(_, value)| !value.is_empty());
            pairs.map(|(key, value)| attribute(key, text(value))).collect()
        }
    };
    [attribute("tracer", text(tracer))].into_iter().chain(of_series).collect()
}

fn text(value: &str) -> any_value::Value {
    any_value::Value::StringValue(value.to_owned())
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::{RegistryLimits, SeriesLimits, Stage};

    /// A metric's points in words: kind, attributes, since when, value; `scope`, name and unit before them.
    fn shown(scopes: &[ScopeMetrics]) -> Vec<String> {
        let words = |attributes: &[KeyValue]| {
            let value = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.clone()) {
                Some(any_value::Value::StringValue(value)) => value,
                Some(any_value::Value::BoolValue(value)) => value.to_string(),
                other => panic!("{other:?}"),
            };
            attributes.iter().map(|pair| format!(" {}={}", pair.key, value(pair))).collect::<String>()
        };
        let mut lines = Vec::new();
        for scope in scopes {
            let name = &scope.scope.as_ref().expect("a scope").name;
            for metric in &scope.metrics {
                let head = format!("{name}: {} in {:?}", metric.name, metric.unit);
                let number = |kind: &str, point: &NumberDataPoint| {
                    let Some(number_data_point::Value::AsDouble(value)) = point.value else { panic!("{point:?}") };
                    let (since, now) = (point.start_time_unix_nano, point.time_unix_nano);
                    format!("{head}, {kind}{} is {value} from {since} to {now}", words(&point.attributes))
                };
                match metric.data.as_ref().expect("data") {
                    metric::Data::Sum(sum) => {
                        assert!(sum.is_monotonic && sum.aggregation_temporality == CUMULATIVE);
                        lines.extend(sum.data_points.iter().map(|point| number("sum", point)));
                    }
                    metric::Data::Gauge(gauge) => {
                        lines.extend(gauge.data_points.iter().map(|point| number("gauge", point)));
                    }
                    metric::Data::Histogram(histogram) => {
                        assert_eq!(histogram.aggregation_temporality, CUMULATIVE);
                        lines.extend(histogram.data_points.iter().map(|point| {
                            let HistogramDataPoint { count, sum, bucket_counts, explicit_bounds, .. } = point;
                            let words = words(&point.attributes);
                            format!("{head}, histogram{words} is {count} {sum:?} {bucket_counts:?} {explicit_bounds:?}")
                        }));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        lines.sort_unstable();
        lines
    }

    #[test]
    fn every_series_is_a_point_in_its_tracers_words() {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let limits = SeriesLimits { series: 3, ..SeriesLimits::default() };
        let mut stage = Stage::new(Arc::clone(&registry), "red".into(), limits);
        let calls = stage.counter("rpc.calls", "{call}", "Calls.", &["rpc.method", "error.type"]);
        let durations = stage.histogram("rpc.duration", "s", "", &[""; 0], &[0.5, 1.0]);
        let open = stage.gauge("open", "", "", &["rpc.method"]);
        let one = stage.series_of(calls, &["a/B", ""]);
        let (duration, opened) = (stage.series_of(durations, &[""; 0]), stage.series_of(open, &["a/B"]));
        stage.add(&[one], &[2.0]);
        stage.merge(duration, &[1, 0, 3], 9.25);
        stage.set(&[opened], &[-1.0]);
        stage.commit(5);
        let beyond = stage.series_of(calls, &["c/D", "x"]);
        stage.add(&[beyond, one], &[7.0, 1.0]);
        stage.commit(6);
        let mut host = HostMetrics::new(1, 9_000);
        let scopes = registry.scopes(&mut host, 9, |ms| 1_000 * ms);
        assert_eq!(
            shown(&scopes),
            [
                "red: open in \"\", gauge tracer=red rpc.method=a/B is -1 from 5000 to 9000",
                "red: rpc.calls in \"{call}\", sum tracer=red otel.metric.overflow=true is 7 from 6000 to 9000",
                "red: rpc.calls in \"{call}\", sum tracer=red rpc.method=a/B is 3 from 5000 to 9000",
                "red: rpc.duration in \"s\", histogram tracer=red is 4 Some(9.25) [1, 0, 3] [0.5, 1.0]",
            ]
        );
        let known = shown(&[host.finish()]);
        assert!(
            known.contains(&"hottap: hottap_tracer_series in \"\", gauge tracer=red is 3 from 1 to 9000".to_owned())
        );
    }
}
