//! Reads what cargo's test harness prints: counts, and the tests that did not run; it runs nothing.
//!
//! A test that needs what is not on every machine is `#[ignore = "needs …"]`, and the harness prints that reason. Tests
//! ignored for other reasons are parts of others, which run them.

/// What a run of the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests marked `#[ignore]`.
    pub(crate) ignored: u64,
    /// `NAME: needs …` of each test that did not run for what it needs, in order, once each.
    pub(crate) skipped: Vec<String>,
}

/// Follows the output line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    outcome: Outcome,
}

/// The beginning of the reason for not running a test where its peer may be missing.
const NEEDS: &str = "needs ";

impl Reader {
    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.count(result);
        } else if let Some(test) = line.strip_prefix("test ") {
            self.skip(test);
        }
    }

    /// What all lines came to.
    pub(crate) fn finish(self) -> Outcome {
        self.outcome
    }

    /// `peers::nginx_is_recorded ... ignored, needs nginx`
    fn skip(&mut self, test: &str) {
        let Some((name, (_, reason))) =
            test.split_once(" ... ").and_then(|(name, verdict)| Some((name, verdict.split_once("ignored, ")?)))
        else {
            return;
        };
        // `--color always` dresses the verdict.
        let reason = reason.split('\u{1b}').next().unwrap_or_default().trim_end();
        let skip = format!("{name}: {reason}");
        if reason.starts_with(NEEDS) && !self.outcome.skipped.contains(&skip) {
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
        let Self { passed, failed, ignored, .. } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cargo 1.95 prints for two binaries, one test failing.
    const OUTPUT: &str = "
running 4 tests
test swap::the_old_one_stays ... ok
test peers::prometheus_scrapes ... ignored, needs Prometheus
test peers::python_counts ... ok
test swap::the_process_of_its_own ... ignored, the test above runs it

test result: ok. 2 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s


running 2 tests
test a ... FAILED
test b ... ok

failures:

---- a stdout ----
thread 'a' panicked

failures:
    a

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn read(output: &str) -> Outcome {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.line(line));
        reader.finish()
    }

    #[test]
    fn counts_of_all_binaries_are_summed_and_what_did_not_run_is_no_pass() {
        let outcome = read(OUTPUT);
        let skipped = vec!["peers::prometheus_scrapes: needs Prometheus".to_owned()];
        assert_eq!(outcome, Outcome { passed: 3, failed: 1, ignored: 2, skipped });
        assert_eq!(outcome.to_string(), "3 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn the_same_test_of_two_binaries_is_listed_once() {
        let lines = "test a ... ignored, needs curl\ntest a ... ignored, needs curl\ntest b ... ignored, needs curl";
        assert_eq!(read(lines).skipped, ["a: needs curl", "b: needs curl"]);
    }

    #[test]
    fn a_reason_in_colour_is_read() {
        assert_eq!(read("test a ... \u{1b}[33mignored, needs curl\u{1b}[m").skipped, ["a: needs curl"]);
    }
}
