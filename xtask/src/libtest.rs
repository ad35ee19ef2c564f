//! Reads what cargo's test harness prints: counts, and the skips that tests report; it runs nothing.
//!
//! A test that cannot run here prints `skipped: NAME: REASON` and passes. The harness shows what passing tests print
//! only with `--show-output`, in a section of its own at the end of each binary, so the lines arrive whole and in
//! order; everything else of that section is noise and hidden.

/// What a run of the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tests that passed, those that skipped themselves not counted.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests marked `#[ignore]`.
    pub(crate) ignored: u64,
    /// `NAME: REASON` of each skip, in order, once each.
    pub(crate) skipped: Vec<String>,
}

/// Follows the output line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    outcome: Outcome,
    reports: u64,
    hiding: bool,
}

/// How a test reports that it could not run.
const SKIPPED: &str = "skipped: ";

impl Reader {
    /// Takes the next line; true if it is worth showing.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        // `--color always` dresses single words; a report starts its line either way.
        if let Some(skip) = line.trim_start().strip_prefix(SKIPPED) {
            self.skip(skip);
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.hiding = false;
            self.count(result);
            return true;
        }
        match line {
            "successes:" => self.hiding = true,
            "failures:" => self.hiding = false,
            _ => {}
        }
        !self.hiding
    }

    /// What all lines came to.
    pub(crate) fn finish(mut self) -> Outcome {
        self.outcome.passed = self.outcome.passed.saturating_sub(self.reports);
        self.outcome
    }

    fn skip(&mut self, skip: &str) {
        self.reports += 1;
        let skip = skip.trim_end().to_owned();
        if !self.outcome.skipped.contains(&skip) {
            self.outcome.skipped.push(skip);
        }
    }

    /// `ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s`
    fn count(&mut self, result: &str) {
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.outcome.passed += number,
                "failed" => self.outcome.failed += number,
                "ignored" => self.outcome.ignored += number,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Outcome {
    /// The closing line of a run, in the form that people and machines look for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, ignored, skipped } = self;
        let skipped = *ignored + u64::try_from(skipped.len()).unwrap_or(u64::MAX);
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cargo 1.95 prints with `--show-output` for two binaries, one test failing.
    const OUTPUT: &str = "
running 3 tests
test swap::the_old_one_stays ... ok
test peers::prometheus_scrapes ... ok
test peers::python_counts ... ok

successes:

---- peers::prometheus_scrapes stdout ----
skipped: prometheus_scrapes: no prometheus on the PATH
---- peers::python_counts stdout ----
loud and of no interest

successes:
    peers::prometheus_scrapes
    peers::python_counts
    swap::the_old_one_stays

test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s


running 2 tests
test a ... FAILED
test b ... ok

successes:

successes:
    b

failures:

---- a stdout ----
thread 'a' panicked

failures:
    a

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn read(output: &str) -> (Vec<&str>, Outcome) {
        let mut reader = Reader::default();
        let shown = output.lines().filter(|line| reader.line(line)).collect();
        (shown, reader.finish())
    }

    #[test]
    fn counts_of_all_binaries_are_summed_and_skips_are_no_passes() {
        let (_, outcome) = read(OUTPUT);
        let skipped = vec!["prometheus_scrapes: no prometheus on the PATH".to_owned()];
        assert_eq!(outcome, Outcome { passed: 3, failed: 1, ignored: 1, skipped });
        assert_eq!(outcome.to_string(), "3 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn failures_are_shown_and_the_noise_of_passing_tests_is_not() {
        let (shown, _) = read(OUTPUT);
        assert!(shown.contains(&"thread 'a' panicked"));
        assert!(shown.contains(&"test b ... ok"));
        assert!(!shown.contains(&"loud and of no interest"));
        assert!(!shown.iter().any(|line| line.contains("no prometheus")));
    }

    #[test]
    fn the_same_skip_is_listed_once() {
        let (_, outcome) = read("skipped: a: no python\nskipped: a: no python\nskipped: b: no python\n");
        assert_eq!(outcome.skipped, ["a: no python", "b: no python"]);
    }
}
