//! How long a method's calls may take: by its name, by the pattern that says most of it, or by default.

use std::collections::BTreeMap;
use std::time::Duration;

use hottap_guest::Error;
use hottap_guest::metrics::Keyed;
use wildmatch::WildMatch;

/// Patterns; the bound is that of a manifest's scope.
const MAX_PATTERNS: usize = 256;

/// Thresholds in nanoseconds.
#[derive(Debug)]
pub(crate) struct Thresholds {
    default: u64,
    /// In the order in which they are tried.
    patterns: Vec<(WildMatch, u64)>,
    /// By a method's symbol.
    known: Keyed<u64>,
}

impl Thresholds {
    pub(crate) fn new(default_ms: f64, methods: &BTreeMap<String, f64>) -> Result<Self, Error> {
        let nanos = |key: &str, ms: f64| {
            // A year of milliseconds is far below what nanoseconds can count.
            let sound = (0.0..=31_536_000_000.0).contains(&ms);
            sound.then_some((ms * 1e6).round() as u64).ok_or_else(|| {
                Error::new(format_args!("the manifest's [config]: `{key}` must be a number of milliseconds, 0 or more"))
            })
        };
        if methods.len() > MAX_PATTERNS {
            return Err(Error::new(format_args!(
                "the manifest's [config]: `methods` has {} entries, at most {MAX_PATTERNS} are allowed",
                methods.len()
            )));
        }
        let mut entries: Vec<(&str, u64)> = Vec::new();
        for (pattern, &ms) in methods {
            entries.push((pattern, nanos(&format!("methods.{pattern:?}"), ms)?));
        }
        // What is no pattern is a name; then comes the pattern with the most text.
        let said = |pattern: &str| pattern.chars().filter(|c| !matches!(c, '*' | '?')).count();
        entries.sort_by_key(|(pattern, _)| (pattern.contains(['*', '?']), std::cmp::Reverse(said(pattern))));
        Ok(Self {
            default: nanos("threshold_ms", default_ms)?,
            patterns: entries.into_iter().map(|(pattern, nanos)| (WildMatch::new(pattern), nanos)).collect(),
            known: Keyed::new(),
        })
    }

    /// The threshold of a method, by its symbol; `name` is asked for when it is new.
    #[inline]
    pub(crate) fn of<'n>(&mut self, symbol: u64, name: impl FnOnce() -> &'n str) -> u64 {
        if self.patterns.is_empty() {
            return self.default;
        }
        let Self { default, patterns, known } = self;
        *known.get_or_insert_with(symbol.into(), || {
            let name = name();
            patterns.iter().find(|(pattern, _)| pattern.matches(name)).map_or(*default, |&(_, nanos)| nanos)
        })
    }

    pub(crate) fn forget_idle(&mut self, elapsed: Duration) {
        self.known.forget_idle(elapsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_before_patterns_and_the_pattern_that_says_most_before_others() {
        let methods =
            [("*", 1.0), ("shop.*", 2.0), ("shop.v1.Reports/*", 3.0), ("shop.v1.Reports/Day", 4.5), ("a?", 5.0)];
        let methods = methods.map(|(pattern, ms)| (pattern.to_owned(), ms)).into();
        let mut thresholds = Thresholds::new(9.0, &methods).expect("they are sound");
        for (symbol, name, expected) in [
            (1, "shop.v1.Reports/Day", 4_500_000),
            (2, "shop.v1.Reports/Year", 3_000_000),
            (3, "shop.v1.Checkout/Place", 2_000_000),
            (4, "GET /", 1_000_000),
            (5, "ab", 5_000_000),
        ] {
            assert_eq!(thresholds.of(symbol, || name), expected, "{name}");
            assert_eq!(thresholds.of(symbol, || unreachable!("it is known")), expected);
        }
        let mut one = Thresholds::new(9.0, &BTreeMap::new()).expect("it is sound");
        assert_eq!(one.of(1, || unreachable!("no one asks")), 9_000_000);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for ms in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            let methods = BTreeMap::from([("a.B/*".to_owned(), ms)]);
            let error = Thresholds::new(1.0, &methods).expect_err("it is no time");
            assert_eq!(
                error.to_string(),
                "the manifest's [config]: `methods.\"a.B/*\"` must be a number of milliseconds, 0 or more"
            );
            assert!(Thresholds::new(ms, &BTreeMap::new()).is_err());
        }
    }
}
