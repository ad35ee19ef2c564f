//! Which calls are failures to OpenTelemetry's conventions: those that are to the host's native tracer.

use std::cell::RefCell;

use hottap_guest::conventions::failure;
use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Call, Config, Error, Outcome, Protocol, Side, Tracer};

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

#[test]
fn who_failed_depends_on_the_side() {
    use Outcome::{BusinessError, Cancelled, Panicked, TimedOut};
    use Protocol::{Grpc, Http};
    const NOBODY: [&str; 2] = ["", ""];
    for (protocol, outcome, status, error, expected, reason) in [
        (Grpc, Outcome::Ok, Some(0), "", NOBODY, "success"),
        (Grpc, Outcome::Error, Some(5), "NOT_FOUND", ["", "NOT_FOUND"], "the caller asked for what is not there"),
        (Grpc, Outcome::Error, Some(13), "INTERNAL", ["INTERNAL", "INTERNAL"], "the server failed"),
        (Grpc, TimedOut, Some(4), "DEADLINE_EXCEEDED", ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"], "too late"),
        (Grpc, TimedOut, None, "timeout", ["timeout", "timeout"], "too late, and no answer"),
        (Grpc, Cancelled, Some(1), "CANCELLED", ["", "CANCELLED"], "the caller gave up"),
        (Grpc, Cancelled, None, "cancelled", ["", "cancelled"], "the caller is gone"),
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
