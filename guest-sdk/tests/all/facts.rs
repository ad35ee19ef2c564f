//! Every fact of a call reaches the tracer, each in its own place.

use std::time::Duration;

use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{
    Call, Config, Error, Event, EventStatus, Kind, Level, Outcome, Protocol, Side, Streaming, Symbol, Tracer,
    error_type,
};

/// Checks the call that `told` makes.
struct Checks;

fn told() -> TestCall {
    TestCall::server("shop.v1.Checkout/Place")
        .id(11)
        .attempts(12)
        .caller("web")
        .callee("checkout")
        .peer("10.0.0.7:41234")
        .protocol(Protocol::GrpcWeb)
        .streaming(Streaming::Both)
        .started(13)
        .nanos(14)
        .deadline(Duration::from_nanos(15))
        .sent(16, 17, 18)
        .received(19, 20, 21)
        .http_status(Some(202))
        .rpc_status(Some(9))
        .business_status(-22)
        .outcome(Outcome::TimedOut)
        .error("FAILED_PRECONDITION", "no stock")
        .trace_id(23 << 64 | 24)
        .span(25, 26)
        .sampled(false)
        .token(27)
        .event(Event::READ_START, Duration::from_nanos(28))
        .custom_event("cart.loaded", Duration::from_nanos(29))
        .event_info(EventStatus::Warn, "3 items")
        .event(Event::READ_START, Duration::from_nanos(30))
        .events_elided(31)
        .tag("tenant", "acme")
        .tag("region", "eu")
}

impl Tracer for Checks {
    fn new(config: Config) -> Result<Self, Error> {
        config.level(Level::Detailed);
        Ok(Self)
    }

    fn finish_call(&mut self, call: &Call) {
        if call.id() != 11 {
            assert_eq!((call.events().count(), call.tags().count(), call.tag("tenant")), (2, 0, None));
            assert_eq!((call.kind(), call.logical_id(), call.attempt()), (Kind::Attempt, 11, 2));
            assert_eq!((call.http_status(), call.deadline(), call.error_type()), (None, None, Symbol::NONE));
            return;
        }
        assert_eq!((call.kind(), call.logical_id(), call.attempt()), (Kind::Call, 11, 12));
        assert_eq!((call.side(), call.protocol()), (Side::Server, Protocol::GrpcWeb));
        assert_eq!((call.method(), call.caller(), call.callee()), ("shop.v1.Checkout/Place", "web", "checkout"));
        assert_eq!(call.method_symbol().as_str(), "shop.v1.Checkout/Place");
        assert_eq!((call.peer(), call.streaming()), ("10.0.0.7:41234", Streaming::Both));
        assert_eq!((call.started(), call.duration()), (13, Duration::from_nanos(14)));
        assert_eq!(call.deadline(), Some(Duration::from_nanos(15)));
        assert_eq!((call.sent_bytes(), call.sent_messages(), call.last_sent_bytes()), (16, 17, 18));
        assert_eq!((call.received_bytes(), call.received_messages(), call.last_received_bytes()), (19, 20, 21));
        assert_eq!((call.http_status(), call.rpc_status(), call.business_status()), (Some(202), Some(9), -22));
        assert_eq!((call.outcome(), call.error_type()), (Outcome::TimedOut, error_type::FAILED_PRECONDITION));
        assert_eq!((call.error_message(), call.trace_id()), ("no stock", 23 << 64 | 24));
        assert_eq!((call.span_id(), call.parent_span_id(), call.sampled(), call.token()), (25, 26, false, 27));
        let events: Vec<_> =
            call.events().map(|event| (event.kind.as_str(), event.at.as_nanos(), event.status, event.info)).collect();
        assert_eq!(
            events,
            [
                ("rpc_start", 0, EventStatus::Info, ""),
                ("read_start", 28, EventStatus::Info, ""),
                ("cart.loaded", 29, EventStatus::Warn, "3 items"),
                ("read_start", 30, EventStatus::Info, ""),
                ("rpc_finish", 14, EventStatus::Info, "")
            ]
        );
        assert_eq!(call.event(Event::READ_START).map(|event| event.at), Some(Duration::from_nanos(28)));
        assert_eq!(call.event(Event::WRITE_START), None);
        assert_eq!(call.events_elided(), 31);
        let tags: Vec<_> = call.tags().map(|tag| (tag.key.as_str(), tag.value)).collect();
        assert_eq!(tags, [("tenant", "acme"), ("region", "eu")]);
        assert_eq!((call.tag("region"), call.tag("none")), (Some("eu"), None));
        let info: serde_json::Value = serde_json::from_str(&call.info()).expect("info is JSON");
        assert_eq!((&info["method"], &info["duration_nanos"]), (&"shop.v1.Checkout/Place".into(), &14.into()));
    }
}

#[test]
fn every_fact_of_a_call_reaches_the_tracer() {
    let attempt = || TestCall::client("a.B/C").attempt_of(11, 2).http_status(None);
    let mut host = Harness::<Checks>::start();
    host.finish([attempt(), told(), attempt()]);
}

#[test]
fn a_failed_call_is_told_from_a_business_error() {
    for (outcome, failed) in [
        (Outcome::Ok, false),
        (Outcome::BusinessError, false),
        (Outcome::Error, true),
        (Outcome::Cancelled, true),
        (Outcome::TimedOut, true),
        (Outcome::Panicked, true),
    ] {
        assert_eq!(outcome.is_failure(), failed, "{outcome}");
    }
}

/// Knows the kinds of the events that it gets.
struct Kinds(Vec<&'static str>);

impl Tracer for Kinds {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self(Vec::new()))
    }

    fn finish_call(&mut self, call: &Call) {
        self.0.extend(call.events().map(|event| event.kind.as_str()));
    }
}

#[test]
fn without_the_level_detailed_a_tracer_gets_start_and_finish_as_in_the_real_host() {
    let mut host = Harness::<Kinds>::start();
    host.finish([TestCall::server("a.B/C").event(Event::READ_START, Duration::from_nanos(1))]);
    assert_eq!(host.tracer().0, ["rpc_start", "rpc_finish"]);
}
