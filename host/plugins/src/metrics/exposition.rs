//! Prometheus' text format 0.0.4, written; it knows names, labels and numbers, and nothing of where they come from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use super::instrument::Kind;
use super::sink::{Families, Samples};

/// Gathers families and writes them as one page: families by name, series by their labels, HELP and TYPE once each.
///
/// Names are the caller's to get right; labels' values and help texts can be any text.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    families: BTreeMap<String, Family>,
}

/// One family, and where its samples go.
#[derive(Debug)]
pub(crate) struct Family {
    name: String,
    kind: Kind,
    help: String,
    text: String,
    samples: Vec<Sample>,
}

/// One series in a family's text.
#[derive(Debug)]
struct Sample {
    lines: Range<usize>,
    /// The labels, without braces and without `le`: what series are sorted by.
    labels: Range<usize>,
}

impl Families for Writer {
    type Family = Family;

    /// A name that was begun as another kind goes on with the kind behind the name, since a page that has two TYPEs
    /// for one name is refused as a whole by those who read it.
    fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Family {
        let mut name = name.to_owned();
        while self.families.get(&name).is_some_and(|family| family.kind != kind) {
            name.push('_');
            name.push_str(kind.as_str());
        }
        self.families.entry(name.clone()).or_insert_with(|| Family {
            name,
            kind,
            help: help.to_owned(),
            text: String::new(),
            samples: Vec::new(),
        })
    }
}

impl Writer {
    /// The page. Families without a sample are left out; of series with the same labels the first stays.
    pub(crate) fn finish(self) -> String {
        let bytes: usize = self.families.values().map(Family::bytes).sum();
        let mut page = String::with_capacity(bytes);
        for family in self.families.into_values() {
            family.finish(&mut page);
        }
        page
    }
}

impl Samples for Family {
    fn sample<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: f64) {
        let text = &mut self.text;
        let start = text.len();
        text.push_str(&self.name);
        let labels = begin_labels(text, labels);
        end_labels(text);
        number(text, value);
        text.push('\n');
        self.samples.push(Sample { lines: start..text.len(), labels });
    }
}

impl Family {
    /// Adds a histogram's series: `counts` are the observations of each bucket on its own, one more than `bounds`.
    pub(crate) fn histogram<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) {
        let text = &mut self.text;
        let start = text.len();
        text.push_str(&self.name);
        text.push_str("_bucket");
        let labels = begin_labels(text, labels);
        if labels.is_empty() {
            text.push('{');
        }
        let mut total: u64 = 0;
        let counts = counts.iter().copied().chain(std::iter::repeat(0));
        for (index, (bound, count)) in bounds.iter().copied().chain([f64::INFINITY]).zip(counts).enumerate() {
            if index > 0 {
                text.push_str(&self.name);
                text.push_str("_bucket{");
                text.extend_from_within(labels.clone());
            }
            text.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
            number(text, bound);
            total = total.saturating_add(count);
            // Writing to a string can't fail.
            let _ = writeln!(text, "\"}} {total}");
        }
        for part in ["_sum", "_count"] {
            text.push_str(&self.name);
            text.push_str(part);
            if !labels.is_empty() {
                text.push('{');
                text.extend_from_within(labels.clone());
            }
            end_labels(text);
            match part {
                "_sum" => number(text, sum),
                _ => {
                    let _ = write!(text, "{total}");
                }
            }
            text.push('\n');
        }
        self.samples.push(Sample { lines: start..text.len(), labels });
    }

    /// About how long it is on the page.
    fn bytes(&self) -> usize {
        2 * self.name.len() + self.help.len() + self.text.len() + 32
    }

    fn finish(mut self, page: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        page.push_str("# HELP ");
        page.push_str(&self.name);
        page.push(' ');
        escape(page, &self.help, false);
        // Writing to a string can't fail.
        let _ = writeln!(page, "\n# TYPE {} {}", self.name, self.kind.as_str());
        let text = &self.text;
        let labels = |sample: &Sample| text.get(sample.labels.clone()).unwrap_or_default();
        self.samples.sort_by(|one, other| labels(one).cmp(labels(other)));
        self.samples.dedup_by(|one, other| labels(one) == labels(other));
        for sample in &self.samples {
            page.push_str(text.get(sample.lines.clone()).unwrap_or_default());
        }
    }
}

/// Writes `{` and the labels, or nothing; returns where the labels stand.
fn begin_labels<'l>(text: &mut String, labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> Range<usize> {
    let start = text.len();
    for (name, value) in labels {
        text.push(if text.len() == start { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        escape(text, value, true);
        text.push('"');
    }
    text.len().min(start + 1)..text.len()
}

/// Closes what [`begin_labels`] opened, and separates it from the value.
fn end_labels(text: &mut String) {
    text.push_str(if text.ends_with('"') { "} " } else { " " });
}

fn escape(text: &mut String, value: &str, quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            c => text.push(c),
        }
    }
}

/// The shortest text that reads as the same number; with an exponent only where there would be many zeros.
fn number(text: &mut String, value: f64) {
    let size = value.abs();
    // Writing to a string can't fail.
    let _ = if value.is_nan() {
        write!(text, "NaN")
    } else if value.is_infinite() {
        write!(text, "{}Inf", if value > 0.0 { '+' } else { '-' })
    } else if size != 0.0 && !(1e-5..1e15).contains(&size) {
        write!(text, "{value:e}")
    } else {
        write!(text, "{value}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::strict;

    #[test]
    fn a_page_is_sorted_and_says_help_and_type_once() {
        let mut writer = Writer::default();
        writer.family("b_total", Kind::Counter, "the b").sample([("x", "2")], 2.0);
        writer.family("a", Kind::Gauge, "the a\nof \"two\" \\ lines").sample([], 0.5);
        writer.family("b_total", Kind::Counter, "another help").sample([("x", "1")], 1.0);
        writer.family("b_total", Kind::Counter, "").sample([("x", "2")], 3.0);
        writer.family("empty", Kind::Gauge, "nothing");
        let expected = "# HELP a the a\\nof \"two\" \\\\ lines\n# TYPE a gauge\na 0.5\n\
            # HELP b_total the b\n# TYPE b_total counter\nb_total{x=\"1\"} 1\nb_total{x=\"2\"} 2\n";
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_infinity() {
        let mut writer = Writer::default();
        let family = writer.family("h", Kind::Histogram, "a histogram");
        family.histogram([("k", "v")], &[0.5, 1.0], &[1, 0, 3], 9.25);
        family.histogram([], &[], &[7], 0.0);
        let expected = "# HELP h a histogram\n# TYPE h histogram\n\
            h_bucket{le=\"+Inf\"} 7\nh_sum 0\nh_count 7\n\
            h_bucket{k=\"v\",le=\"0.5\"} 1\nh_bucket{k=\"v\",le=\"1\"} 1\nh_bucket{k=\"v\",le=\"+Inf\"} 4\n\
            h_sum{k=\"v\"} 9.25\nh_count{k=\"v\"} 4\n";
        let page = writer.finish();
        assert_eq!(page, expected);
        strict::parse(&page);
    }

    #[test]
    fn one_name_of_two_kinds_becomes_two_families() {
        let mut writer = Writer::default();
        writer.family("x", Kind::Gauge, "").sample([], 1.0);
        writer.family("x", Kind::Counter, "").sample([], 2.0);
        writer.family("x", Kind::Counter, "").sample([("a", "b")], 3.0);
        let page = strict::parse(&writer.finish());
        assert_eq!(page.value("x", &[]), Some(1.0));
        assert_eq!(page.value("x_counter", &[]), Some(2.0));
        assert_eq!(page.value("x_counter", &[("a", "b")]), Some(3.0));
    }

    #[test]
    fn a_number_reads_as_itself() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.005, "0.005"),
            (1e-5, "0.00001"),
            (1e-7, "1e-7"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e15"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut text = String::new();
            number(&mut text, value);
            assert_eq!(text, expected);
            assert!(value.is_nan() || strict::number(&text).to_bits() == value.to_bits(), "{text}");
        }
    }

    #[test]
    fn label_values_of_any_text_round_trip() {
        for value in ["", "\"", "\\", "\n", "\\n", "\\\"", "a\\", "}\n{", "ü\u{0}\r\t", "=\",x=\"", "# HELP a"] {
            let mut writer = Writer::default();
            writer.family("a", Kind::Gauge, value).sample([("k", value), ("l", "")], 1.0);
            let page = strict::parse(&writer.finish());
            assert_eq!(page.value("a", &[("k", value), ("l", "")]), Some(1.0), "{value:?}");
        }
    }
}
