//! A reader of Prometheus' text format for tests, stricter than Prometheus: it panics on what is merely odd.

use std::collections::{BTreeMap, BTreeSet};

/// Names and values, by name.
type Labels = Vec<(String, String)>;

/// A page that was read.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) families: BTreeMap<String, FamilyText>,
    samples: BTreeMap<(String, Labels), f64>,
}

/// What stands above a family's samples.
#[derive(Debug)]
pub(super) struct FamilyText {
    pub(super) kind: String,
    pub(super) help: String,
}

impl Page {
    /// The value of the sample with this name and these labels, which are given in any order.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut labels: Vec<_> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        labels.sort();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// All samples: name, labels by name, value.
    pub(super) fn samples(&self) -> impl Iterator<Item = (&str, &[(String, String)], f64)> {
        self.samples.iter().map(|((name, labels), value)| (name.as_str(), labels.as_slice(), *value))
    }
}

/// Reads a page. Panics unless it consists of families in rising order, each with one HELP, one TYPE and at least one
/// sample; all names are in syntax; no series stands there twice; histograms are cumulative and complete.
#[track_caller]
pub(super) fn parse(text: &str) -> Page {
    let mut page = Page::default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let mut lines = text.split_terminator('\n').peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect("HELP first");
        let line = lines.next().expect("TYPE after HELP");
        let kind = line.strip_prefix(&format!("# TYPE {name} ")).expect("TYPE of the same name");
        assert!(is_name(name, true), "{name} is no name");
        assert!(page.families.last_key_value().is_none_or(|(last, _)| last.as_str() < name), "{name} out of order");
        let mut count = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (sample, labels, value) = sample(line);
            let suffix = sample.strip_prefix(name).expect("a sample of its family");
            match kind {
                "histogram" => assert!(matches!(suffix, "_bucket" | "_sum" | "_count"), "{line}"),
                "counter" => assert!(suffix.is_empty() && value >= 0.0, "{line}"),
                "gauge" => assert_eq!(suffix, "", "{line}"),
                _ => panic!("{kind} is no type"),
            }
            let twice = page.samples.insert((sample, labels), value);
            assert!(twice.is_none(), "{line} stands there twice");
            count += 1;
        }
        assert!(count > 0, "{name} has no sample");
        if kind == "histogram" {
            check_histogram(&page, name);
        }
        let help = unescape(help, false).expect("a help text with whole escapes");
        page.families.insert(name.to_owned(), FamilyText { kind: kind.to_owned(), help });
    }
    // No family's name may be that of another one's sample: readers would not know whose it is.
    let names: BTreeSet<&str> = page.samples().map(|(name, _, _)| name).collect();
    for (name, family) in &page.families {
        if family.kind == "histogram" {
            assert!(!names.contains(name.as_str()), "{name} is a histogram and something else");
            for suffix in ["_bucket", "_sum", "_count"] {
                assert!(!page.families.contains_key(&format!("{name}{suffix}")), "{name}{suffix} is two things");
            }
        }
    }
    page
}

/// A number as the format writes it.
#[track_caller]
pub(super) fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text => {
            assert!(text.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b)), "{text} is no number");
            text.parse().expect("a number")
        }
    }
}

#[track_caller]
fn check_histogram(page: &Page, name: &str) {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, count) in page.samples() {
        if sample == format!("{name}_bucket") {
            let (le, rest): (Vec<_>, Vec<_>) = labels.iter().cloned().partition(|(key, _)| key == "le");
            let [(_, le)] = le.as_slice() else { panic!("{sample} has no le") };
            series.entry(rest).or_default().push((number(le), count));
        }
    }
    for (labels, mut buckets) in series {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1), "{name} is not cumulative");
        let last = buckets.last().expect("a bucket");
        assert_eq!(last.0, f64::INFINITY, "{name} has no last bucket");
        let key = |suffix: &str| (format!("{name}{suffix}"), labels.clone());
        assert_eq!(page.samples.get(&key("_count")), Some(&last.1), "{name} counts otherwise than its buckets");
        assert!(page.samples.contains_key(&key("_sum")), "{name} has no sum");
    }
}

/// One line: name, labels sorted by name, value.
#[track_caller]
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{name} is no name");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (key, after) = rest.split_once("=\"").expect("a label");
            assert!(is_name(key, false) && !key.starts_with("__"), "{key} is no label's name");
            let end = end_of_value(after).expect("a closing quote");
            let value = unescape(&after[..end], true).expect("whole escapes");
            assert!(labels.iter().all(|(known, _)| known != key), "{key} stands there twice");
            labels.push((key.to_owned(), value));
            rest = &after[end + 1..];
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = rest.strip_prefix(',').expect("a comma");
        }
    }
    labels.sort();
    (name.to_owned(), labels, number(rest.strip_prefix(' ').expect("one space before the value")))
}

fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|c| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    })
}

fn unescape(text: &str, quotes: bool) -> Option<String> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        value.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                '"' if quotes => '"',
                _ => return None,
            },
            c => c,
        });
    }
    Some(value)
}

fn is_name(name: &str, colons: bool) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || colons && b == b':')
}
