//! The metrics of the harness: defined at once, changed when a flush is committed.

/// A kind of instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, PartialEq)]
struct Definition {
    kind: Kind,
    name: String,
    unit: String,
    help: String,
    label_keys: Vec<String>,
    bounds: Vec<f64>,
}

#[derive(Debug)]
struct Metric {
    definition: Definition,
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    label_values: Vec<String>,
    /// None until a flush committed something.
    value: Option<Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Histogram(HistogramValue),
}

/// What a histogram has counted.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramValue {
    /// The inclusive upper bounds of the buckets.
    pub bounds: Vec<f64>,
    /// One count for each bucket; the last is for what is above the last bound.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl HistogramValue {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn add(&mut self, counts: &[u64], sum: f64) {
        for (into, count) in self.counts.iter_mut().zip(counts) {
            *into += count;
        }
        self.sum += sum;
    }
}

/// Where a series is: of which metric, and which of its series.
type Place = (usize, usize);

#[derive(Debug)]
enum Change {
    Add(f64),
    Set(f64),
    Merge(Vec<u64>, f64),
}

/// All metrics of one tracer. Ids are indexes into what the current instance was given, so those of an instance that
/// is gone mean nothing.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    metrics: Vec<Metric>,
    instruments: Vec<usize>,
    series: Vec<Place>,
    staged: Vec<(Place, Change)>,
    pub(crate) errors: Vec<String>,
}

impl Metrics {
    /// Ids of the instance that was are no longer valid, and what it staged is thrown away.
    pub(crate) fn new_instance(&mut self) {
        self.instruments.clear();
        self.series.clear();
        self.staged.clear();
    }

    pub(crate) fn define(
        &mut self,
        kind: Kind,
        name: &str,
        unit: &str,
        help: &str,
        label_keys: &[String],
        bounds: &[f64],
    ) -> u32 {
        let definition = Definition {
            kind,
            name: name.to_owned(),
            unit: unit.to_owned(),
            help: help.to_owned(),
            label_keys: label_keys.to_vec(),
            bounds: bounds.to_vec(),
        };
        let metric = match self.metrics.iter().position(|metric| metric.definition.name == name) {
            Some(index) => {
                if self.metrics[index].definition != definition {
                    self.metrics[index] = Metric { definition, series: Vec::new() };
                    self.series.retain(|(metric, _)| *metric != index);
                }
                index
            }
            None => {
                self.metrics.push(Metric { definition, series: Vec::new() });
                self.metrics.len() - 1
            }
        };
        self.instruments.push(metric);
        index(self.instruments.len() - 1)
    }

    pub(crate) fn series_of(&mut self, instrument: u32, label_values: &[String]) -> u32 {
        let Some(&at) = self.instruments.get(instrument as usize) else {
            self.errors.push(format!("series-of: there is no instrument {instrument}"));
            return u32::MAX;
        };
        let metric = &mut self.metrics[at];
        if label_values.len() != metric.definition.label_keys.len() {
            self.errors.push(format!("series-of: {} has not {} labels", metric.definition.name, label_values.len()));
            return u32::MAX;
        }
        let series = match metric.series.iter().position(|series| series.label_values == label_values) {
            Some(index) => index,
            None => {
                metric.series.push(Series { label_values: label_values.to_vec(), value: None });
                metric.series.len() - 1
            }
        };
        self.series.push((at, series));
        index(self.series.len() - 1)
    }

    pub(crate) fn stage_add(&mut self, to: &[u32], values: &[f64]) {
        self.stage_numbers("add", to, values, &[Kind::Counter, Kind::Gauge], Change::Add);
    }

    pub(crate) fn stage_set(&mut self, to: &[u32], values: &[f64]) {
        self.stage_numbers("set", to, values, &[Kind::Gauge], Change::Set);
    }

    pub(crate) fn stage_merge(&mut self, to: u32, counts: &[u64], sum: f64) {
        match self.place(to, &[Kind::Histogram]) {
            Some(place) if self.metrics[place.0].definition.bounds.len() + 1 == counts.len() => {
                self.staged.push((place, Change::Merge(counts.to_vec(), sum)));
            }
            _ => self.errors.push(format!("merge: series {to} is no histogram with {} buckets", counts.len())),
        }
    }

    fn stage_numbers(&mut self, what: &str, to: &[u32], values: &[f64], kinds: &[Kind], change: fn(f64) -> Change) {
        if to.len() != values.len() {
            self.errors.push(format!("{what}: {} series and {} values", to.len(), values.len()));
        }
        for (&to, &value) in to.iter().zip(values) {
            match self.place(to, kinds) {
                Some(place) => self.staged.push((place, change(value))),
                None => self.errors.push(format!("{what}: series {to} does not exist or is of another kind")),
            }
        }
    }

    fn place(&self, series: u32, kinds: &[Kind]) -> Option<Place> {
        let place = *self.series.get(series as usize)?;
        kinds.contains(&self.metrics.get(place.0)?.definition.kind).then_some(place)
    }

    pub(crate) fn commit(&mut self) {
        for ((metric, series), change) in self.staged.drain(..) {
            let Metric { definition, series: all } = &mut self.metrics[metric];
            let Some(series) = all.get_mut(series) else { continue };
            let value = series.value.get_or_insert_with(|| match definition.kind {
                Kind::Counter | Kind::Gauge => Value::Number(0.0),
                Kind::Histogram => Value::Histogram(HistogramValue {
                    bounds: definition.bounds.clone(),
                    counts: vec![0; definition.bounds.len() + 1],
                    sum: 0.0,
                }),
            });
            match (value, change) {
                (Value::Number(_), Change::Add(change)) if definition.kind == Kind::Counter && change < 0.0 => {}
                (Value::Number(number), Change::Add(change)) => *number += change,
                (Value::Number(number), Change::Set(value)) => *number = value,
                (Value::Histogram(histogram), Change::Merge(counts, sum)) => histogram.add(&counts, sum),
                _ => {}
            }
        }
    }

    /// The committed values of the series of a metric that have these labels.
    fn values(&self, kind: Kind, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Value> {
        let metric =
            self.metrics.iter().find(|metric| metric.definition.name == name && metric.definition.kind == kind);
        metric.into_iter().flat_map(move |metric| {
            metric
                .series
                .iter()
                .filter(move |series| {
                    labels.iter().all(|(key, value)| {
                        let position = metric.definition.label_keys.iter().position(|k| k == key);
                        position.and_then(|i| series.label_values.get(i)).is_some_and(|v| v == value)
                    })
                })
                .filter_map(|series| series.value.as_ref())
        })
    }

    pub(crate) fn number(&self, kind: Kind, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let numbers = self.values(kind, name, labels).filter_map(|value| match value {
            Value::Number(number) => Some(*number),
            Value::Histogram(_) => None,
        });
        numbers.reduce(|sum, number| sum + number)
    }

    pub(crate) fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<HistogramValue> {
        let histograms = self.values(Kind::Histogram, name, labels).filter_map(|value| match value {
            Value::Histogram(histogram) => Some(histogram.clone()),
            Value::Number(_) => None,
        });
        histograms.reduce(|mut all, one| {
            all.add(&one.counts, one.sum);
            all
        })
    }

    /// The label values of every committed series of a metric, as pairs of key and value.
    pub(crate) fn label_sets(&self, name: &str) -> Vec<Vec<(&str, &str)>> {
        let metric = self.metrics.iter().find(|metric| metric.definition.name == name);
        let committed = metric.into_iter().flat_map(|metric| {
            let committed = metric.series.iter().filter(|series| series.value.is_some());
            committed.map(|series| {
                let keys = metric.definition.label_keys.iter().map(String::as_str);
                keys.zip(series.label_values.iter().map(String::as_str)).collect()
            })
        });
        committed.collect()
    }

    /// Name and unit of every metric that was defined.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metrics.iter().map(|metric| (metric.definition.name.as_str(), metric.definition.unit.as_str()))
    }
}

fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
