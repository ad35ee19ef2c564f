//! Metrics in messages that collectors take: over gRPC most take 4 MiB, and tracers may have more.

use std::mem::{replace, take};

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Histogram, Metric, ScopeMetrics, Sum};
use prost::Message;

/// Bytes of one message, about.
const PART: usize = 1 << 20;

/// The same in as many parts as there are to be messages.
pub(super) fn parts(scopes: Vec<ScopeMetrics>) -> Vec<Vec<ScopeMetrics>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for mut scope in scopes {
        let metrics = take(&mut scope.metrics);
        let mut open = scope.clone();
        for metric in metrics.into_iter().flat_map(pieces) {
            let more = metric.encoded_len();
            if bytes > 0 && bytes + more > PART {
                part.push(replace(&mut open, scope.clone()));
                parts.push(take(&mut part));
                bytes = 0;
            }
            bytes += more;
            open.metrics.push(metric);
        }
        part.push(open);
    }
    parts.push(part);
    for part in &mut parts {
        part.retain(|scope| !scope.metrics.is_empty());
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A metric that is too large for a message, as several with some of its points each.
fn pieces(mut metric: Metric) -> Vec<Metric> {
    let count = metric.encoded_len().div_ceil(PART);
    let Some(data) = metric.data.take_if(|_| count > 1) else { return vec![metric] };
    let data: Vec<_> = match data {
        Data::Gauge(gauge) => {
            chunks(&gauge.data_points, count).map(|data_points| Data::Gauge(Gauge { data_points })).collect()
        }
        Data::Sum(sum) => {
            chunks(&sum.data_points, count).map(|data_points| Data::Sum(Sum { data_points, ..sum })).collect()
        }
        Data::Histogram(histogram) => chunks(&histogram.data_points, count)
            .map(|data_points| Data::Histogram(Histogram { data_points, ..histogram }))
            .collect(),
        other => vec![other],
    };
    data.into_iter().map(|data| Metric { data: Some(data), ..metric.clone() }).collect()
}

fn chunks<T: Clone>(points: &[T], count: usize) -> impl Iterator<Item = Vec<T>> {
    points.chunks(points.len().div_ceil(count).max(1)).map(<[T]>::to_vec)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;

    use super::*;

    fn gauge(name: &str, points: u64) -> Metric {
        let points =
            (1..=points).map(|moment| NumberDataPoint { time_unix_nano: moment, ..NumberDataPoint::default() });
        let data = Some(Data::Gauge(Gauge { data_points: points.collect() }));
        Metric { name: name.to_owned(), data, ..Metric::default() }
    }

    fn moments(metric: &Metric) -> Vec<u64> {
        let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{metric:?}") };
        gauge.data_points.iter().map(|point| point.time_unix_nano).collect()
    }

    #[test]
    fn little_is_one_message_and_nothing_is_none() {
        let scope = |metrics| ScopeMetrics { metrics, ..ScopeMetrics::default() };
        assert!(parts(Vec::new()).is_empty());
        assert!(parts(vec![scope(Vec::new())]).is_empty());
        let whole = vec![scope(vec![gauge("a", 2), gauge("b", 1)]), scope(vec![gauge("a", 1)])];
        assert_eq!(parts(whole.clone()), [whole]);
    }

    #[test]
    fn much_is_several_messages_in_which_nothing_is_missing_and_nothing_is_twice() {
        // A point is 11 bytes.
        let metrics = vec![gauge("small", 10), gauge("large", 300_000), gauge("last", 60_000)];
        let parts = parts(vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }]);
        assert!(parts.len() > 3);
        let mut seen = std::collections::BTreeMap::<String, Vec<u64>>::new();
        for part in &parts {
            let bytes: usize = part.iter().map(Message::encoded_len).sum();
            assert!(bytes < PART + PART / 8, "{bytes}");
            for metric in part.iter().flat_map(|scope| &scope.metrics) {
                seen.entry(metric.name.clone()).or_default().extend(moments(metric));
            }
        }
        let all = |points| (1..=points).collect::<Vec<u64>>();
        assert_eq!((&seen["small"], &seen["large"], &seen["last"]), (&all(10), &all(300_000), &all(60_000)));
    }
}
