//! Which calls are failures to OpenTelemetry's conventions: those that are to the host's native tracer.

use std::cell::RefCell;

use hottap_guest::conventions::failure;
use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Call, Config, Error, Outcome, Protocol, Side, Tracer, grpc_status_name};

thread_local! {
    static FAILURES: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what each call failed by.
struct Judge;

impl Tracer for Judge {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self)
    }

    fn finish_call(&mut self, call: &Call) {
        FAILURES.with_borrow_mut(|failures| failures.push(failure(*call).as_str()));
    }
}

/// Asks the rule of one call.
fn judge(call: TestCall) -> &'static str {
    Harness::<Judge>::start().finish([call]);
    FAILURES.take().into_iter().next().expect("one call")
}

#[test]
fn the_rule_is_that_of_the_tables() {
    const PAGE: &str = include_str!("../../../docs/endings.md");
    const OUTCOMES: [Outcome; 5] =
        [Outcome::Ok, Outcome::Error, Outcome::Cancelled, Outcome::TimedOut, Outcome::Panicked];
    let (mut section, mut errors, mut others) = ("", 0, 0);
    for line in PAGE.lines() {
        section = line.strip_prefix("## ").unwrap_or(section);
        let cells = line.strip_prefix("| ").map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let Some([ending, status, client, server, ..]) = cells.as_deref() else { continue };
        if *ending == "the call ends with" {
            continue;
        }
        let protocol = match section {
            "Plain HTTP" => Protocol::Http,
            "gRPC" => Protocol::Grpc,
            _ if ending.starts_with("gRPC-web") => Protocol::GrpcWeb,
            _ => Protocol::Connect,
        };
        let rpc_status = (0..=16).find(|&code| grpc_status_name(code) == Some(*status));
        for (side, cell) in [(Side::Client, client), (Side::Server, server)] {
            let words = cell.trim_matches('*');
            let (outcome, error_type) = words.split_once(' ').unwrap_or((words, ""));
            let outcome = OUTCOMES.into_iter().find(|known| known.as_str() == outcome);
            let call = TestCall::new(side, "a.B/C").protocol(protocol).rpc_status(rpc_status);
            let call = call.http_status(status.parse().ok()).error(error_type, "").outcome(outcome.expect("a word"));
            let expected = if cell.starts_with("**") { error_type } else { "" };
            assert_eq!(judge(call), expected, "{section}, {ending}, {side:?}");
            *(if expected.is_empty() { &mut others } else { &mut errors }) += 1;
        }
    }
    assert!(errors > 30 && others > 30, "{errors} errors and {others} others were found in the tables");
}

#[test]
fn who_failed_depends_on_the_side() {
    use Outcome::{BusinessError, Cancelled, Panicked, TimedOut};
    use Protocol::{Connect, Grpc, Http};
    const NOBODY: [&str; 2] = ["", ""];
    for (protocol, outcome, status, error, expected, reason) in [
        (Grpc, Outcome::Ok, Some(0), "", NOBODY, "success"),
        (Grpc, Outcome::Error, Some(5), "NOT_FOUND", ["", "NOT_FOUND"], "the caller asked for what is not there"),
        (Grpc, Outcome::Error, Some(13), "INTERNAL", ["INTERNAL", "INTERNAL"], "the server failed"),
        (Grpc, TimedOut, Some(4), "DEADLINE_EXCEEDED", ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"], "too late"),
        (Grpc, TimedOut, None, "timeout", ["timeout", "timeout"], "too late, and no answer"),
        (Grpc, Cancelled, Some(1), "CANCELLED", ["", "CANCELLED"], "the caller gave up"),
        (Grpc, Cancelled, None, "cancelled", ["", "cancelled"], "the caller is gone"),
        (Connect, Cancelled, Some(0), "cancelled", NOBODY, "the caller had what it wanted"),
        (Grpc, Outcome::Error, Some(0), "body", ["body", "body"], "a body that broke off, whatever the status"),
        (Grpc, Panicked, Some(0), "panic", ["panic", "panic"], "whatever was said"),
        (Grpc, BusinessError, Some(0), "sold_out", NOBODY, "the application's own"),
        (Http, Outcome::Error, None, "503", ["503", "503"], "the server failed"),
        (Http, Cancelled, None, "cancelled", ["cancelled", ""], "a response that did not get through"),
    ] {
        let call =
            |side| TestCall::new(side, "a.B/C").protocol(protocol).rpc_status(status).error(error, "").outcome(outcome);
        Harness::<Judge>::start().finish([call(Side::Server), call(Side::Client)]);
        assert_eq!(FAILURES.take(), expected, "{protocol:?}: {reason}");
    }
}
