//! What is exported in messages that a collector has room for, spans and metrics alike; it knows no network.

use std::mem::{replace, take};
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ScopeMetrics, Sum, Summary,
};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;

/// Bytes of a message before it is compressed: OTLP recommends it, and servers of gRPC take no more by default. What is
/// longer would be refused as a whole.
const MAX_BYTES: usize = 4 << 20;

/// Bytes of a message inside of another beside its own, at most: its number and its length.
const FRAME: usize = 6;

/// What one instrumentation scope has to say.
pub(super) trait Scope: Clone + Message {
    type Item: Item;

    fn items(&mut self) -> &mut Vec<Self::Item>;
}

/// A span, or a metric with its data points.
pub(super) trait Item: Message + Sized {
    /// Spans or data points.
    fn count(&self) -> usize;

    /// Leaves the first half of it, and gives the other. None if it is indivisible.
    fn halve(&mut self) -> Option<Self>;
}

/// What goes in one message.
#[derive(Debug, PartialEq)]
pub(super) struct Part<S> {
    pub(super) scopes: Vec<S>,
    /// Spans or data points in it.
    pub(super) count: usize,
}

impl<S> Part<S> {
    const EMPTY: Self = Self { scopes: Vec::new(), count: 0 };
}

/// The time of one of so many messages that are left, when there is so much for all: one that is tried in vain leaves the
/// others theirs.
pub(super) fn share(left: Duration, messages: usize) -> Duration {
    left / u32::try_from(messages).unwrap_or(u32::MAX).max(1)
}

/// Bytes that are left for scopes in a message that has so much without them.
pub(super) fn room(without: &impl Message) -> usize {
    // With them, it has a longer length.
    MAX_BYTES.saturating_sub(without.encoded_len() + FRAME)
}

/// The same in as few parts as it takes, in its order, each of at most so many bytes. What is too long and indivisible is a
/// part by itself; what is empty is left out.
pub(super) fn parts<S: Scope>(scopes: Vec<S>, most: usize) -> Vec<Part<S>> {
    let (mut parts, mut part, mut left) = (Vec::new(), Part::EMPTY, most);
    for mut scope in scopes {
        let items = take(scope.items());
        let head = scope.encoded_len() + FRAME;
        let mut open: Option<S> = None;
        for item in items.into_iter().flat_map(|item| pieces(item, most.saturating_sub(head + FRAME))) {
            let bytes = item.encoded_len() + FRAME;
            let is_begun = open.is_some() || !part.scopes.is_empty();
            if is_begun && bytes + if open.is_some() { 0 } else { head } > left {
                part.scopes.extend(open.take());
                parts.push(replace(&mut part, Part::EMPTY));
                left = most;
            }
            let open = open.get_or_insert_with(|| {
                left = left.saturating_sub(head);
                scope.clone()
            });
            left = left.saturating_sub(bytes);
            part.count += item.count();
            open.items().push(item);
        }
        part.scopes.extend(open);
    }
    if !part.scopes.is_empty() {
        parts.push(part);
    }
    parts
}

/// An item in halves of halves, in their order, until none is longer than that.
fn pieces<I: Item>(item: I, most: usize) -> Vec<I> {
    let (mut whole, mut pieces) = (vec![item], Vec::new());
    while let Some(mut item) = whole.pop() {
        let other = if item.encoded_len() > most { item.halve() } else { None };
        match other {
            Some(other) => whole.extend([other, item]),
            None => pieces.push(item),
        }
    }
    pieces
}

impl Scope for ScopeSpans {
    type Item = Span;

    fn items(&mut self) -> &mut Vec<Span> {
        &mut self.spans
    }
}

impl Item for Span {
    fn count(&self) -> usize {
        1
    }

    fn halve(&mut self) -> Option<Self> {
        None
    }
}

impl Scope for ScopeMetrics {
    type Item = Metric;

    fn items(&mut self) -> &mut Vec<Metric> {
        &mut self.metrics
    }
}

impl Item for Metric {
    fn count(&self) -> usize {
        match &self.data {
            None => 0,
            Some(Data::Gauge(gauge)) => gauge.data_points.len(),
            Some(Data::Sum(sum)) => sum.data_points.len(),
            Some(Data::Histogram(histogram)) => histogram.data_points.len(),
            Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
            Some(Data::Summary(summary)) => summary.data_points.len(),
        }
    }

    fn halve(&mut self) -> Option<Self> {
        fn half<P>(points: &mut Vec<P>) -> Option<Vec<P>> {
            (points.len() > 1).then(|| points.split_off(points.len() / 2))
        }
        let data = match self.data.as_mut()? {
            Data::Gauge(gauge) => Data::Gauge(Gauge { data_points: half(&mut gauge.data_points)? }),
            Data::Sum(sum) => Data::Sum(Sum { data_points: half(&mut sum.data_points)?, ..*sum }),
            Data::Histogram(histogram) => {
                Data::Histogram(Histogram { data_points: half(&mut histogram.data_points)?, ..*histogram })
            }
            Data::ExponentialHistogram(histogram) => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: half(&mut histogram.data_points)?,
                ..*histogram
            }),
            Data::Summary(summary) => Data::Summary(Summary { data_points: half(&mut summary.data_points)? }),
        };
        let Self { name, description, unit, metadata, .. } = &*self;
        Some(Self {
            name: name.clone(),
            description: description.clone(),
            unit: unit.clone(),
            metadata: metadata.clone(),
            data: Some(data),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, ResourceMetrics};
    use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

    use super::*;

    fn gauge(name: &str, points: u64) -> Metric {
        let points =
            (1..=points).map(|moment| NumberDataPoint { time_unix_nano: moment, ..NumberDataPoint::default() });
        let data = Some(Data::Gauge(Gauge { data_points: points.collect() }));
        Metric { name: name.to_owned(), data, ..Metric::default() }
    }

    fn of_metrics(metrics: Vec<Metric>) -> ScopeMetrics {
        ScopeMetrics { metrics, schema_url: "scopes".to_owned(), ..ScopeMetrics::default() }
    }

    /// Scopes of so many spans, each of a hundred bytes.
    fn of_spans(counts: &[usize]) -> Vec<ScopeSpans> {
        let mut number = 0;
        let mut span = || {
            number += 1;
            Span { name: format!("{number:0>98}"), ..Span::default() }
        };
        let scope = |(index, count): (usize, &usize)| ScopeSpans {
            scope: Some(InstrumentationScope { name: index.to_string(), ..InstrumentationScope::default() }),
            spans: (0..*count).map(|_| span()).collect(),
            schema_url: "scopes".to_owned(),
        };
        counts.iter().enumerate().map(scope).collect()
    }

    /// Each span with the scope that it is in.
    fn spans<'a>(scopes: impl IntoIterator<Item = &'a ScopeSpans>) -> Vec<(String, String)> {
        let named = |scope: &ScopeSpans| scope.scope.as_ref().map_or_else(String::new, |scope| scope.name.clone());
        let scopes = scopes.into_iter().inspect(|scope| {
            assert!(!scope.spans.is_empty() && scope.schema_url == "scopes");
        });
        scopes.flat_map(|scope| scope.spans.iter().map(move |span| (named(scope), span.name.clone()))).collect()
    }

    #[test]
    fn little_is_one_message_and_nothing_is_none() {
        assert!(parts::<ScopeMetrics>(Vec::new(), 1).is_empty());
        assert!(parts(vec![of_metrics(Vec::new())], 1).is_empty());
        let whole = vec![of_metrics(vec![gauge("a", 2), gauge("b", 1)]), of_metrics(vec![gauge("a", 1)])];
        assert_eq!(parts(whole.clone(), 1_000), [Part { scopes: whole, count: 4 }]);
    }

    #[test]
    fn no_part_is_longer_than_it_may_be_and_no_span_is_lost() {
        for (scopes, most, counts) in [
            (&[5][..], 10_000, &[5][..]),
            (&[5], 250, &[2, 2, 1]),
            (&[5], 1, &[1, 1, 1, 1, 1]),
            (&[3, 4, 1, 2], 700, &[6, 4]),
            (&[3, 4, 1, 2], 360, &[3, 3, 2, 2]),
            (&[1], 1, &[1]),
            (&[0, 1, 0], 1, &[1]),
        ] {
            let whole = of_spans(scopes);
            let parts = parts(whole.clone(), most);
            assert_eq!(parts.iter().map(|part| part.count).collect::<Vec<_>>(), counts, "{scopes:?} {most}");
            let all: Vec<_> = parts.iter().flat_map(|part| spans(&part.scopes)).collect();
            assert_eq!(all, spans(whole.iter().filter(|scope| !scope.spans.is_empty())), "{scopes:?} {most}");
            for Part { scopes, count } in parts {
                assert_eq!(spans(&scopes).len(), count);
                let message = ResourceSpans { scope_spans: scopes, ..ResourceSpans::default() };
                assert!(count == 1 || message.encoded_len() <= most, "{count} {most}");
            }
        }
    }

    #[test]
    fn a_metric_that_is_too_long_is_several_in_which_no_point_is_missing_and_none_is_twice() {
        // A point is 11 bytes.
        let metrics = vec![gauge("small", 10), gauge("large", 30_000), gauge("last", 6_000)];
        let parts = parts(vec![of_metrics(metrics)], 100_000);
        let mut seen = BTreeMap::<String, Vec<u64>>::new();
        for Part { scopes, count } in parts {
            let mut moments = 0;
            for metric in scopes.iter().flat_map(|scope| &scope.metrics) {
                let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{metric:?}") };
                moments += gauge.data_points.len();
                let seen = seen.entry(metric.name.clone()).or_default();
                seen.extend(gauge.data_points.iter().map(|point| point.time_unix_nano));
            }
            assert_eq!(moments, count);
            let message = ResourceMetrics { scope_metrics: scopes, ..ResourceMetrics::default() };
            assert!(message.encoded_len() <= 100_000);
        }
        let all = |points| (1..=points).collect::<Vec<u64>>();
        assert_eq!((&seen["small"], &seen["large"], &seen["last"]), (&all(10), &all(30_000), &all(6_000)));
    }
}
