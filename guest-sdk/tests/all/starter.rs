//! Starters: what they see of a call that starts, and what of it comes back when the call has finished.

use std::cell::Cell;
use std::time::Duration;

use hottap_guest::testing::{Harness, StarterHarness, TestCall};
use hottap_guest::{Call, Config, Error, Protocol, Side, StartedCall, Starter, Symbol, Tracer, state};

fn told() -> TestCall {
    TestCall::client("shop.v1.Pricing/Quote")
        .id(11)
        .callee("pricing")
        .protocol(Protocol::GrpcWeb)
        .started(13)
        .deadline(Duration::from_nanos(15))
        .trace_id(23 << 64 | 24)
        .span(25, 26)
        .sampled(false)
        .header("X-Tenant", "acme")
}

/// Checks the call that `told` makes.
struct Checks;

impl Starter for Checks {
    fn new(config: Config) -> Result<Self, Error> {
        assert_eq!(config.service_name(), "checkout");
        assert_eq!(state::saved().as_deref(), Some(&b"seen"[..]));
        Ok(Self)
    }

    fn start(&self, call: &StartedCall) -> u64 {
        assert_eq!((call.id(), call.side(), call.protocol()), (11, Side::Client, Protocol::GrpcWeb));
        assert_eq!((call.method(), call.callee()), ("shop.v1.Pricing/Quote", "pricing"));
        assert_eq!(call.method_symbol().as_str(), "shop.v1.Pricing/Quote");
        assert_eq!((call.started(), call.deadline()), (13, Some(Duration::from_nanos(15))));
        assert_eq!((call.trace_id(), call.span_id(), call.parent_span_id()), (23 << 64 | 24, 25, 26));
        assert!(!call.sampled());
        assert_eq!(call.header("x-tenant").as_deref(), Some("acme"));
        assert_eq!(call.header("cookie"), None);
        7
    }
}

#[test]
fn every_fact_of_a_call_that_starts_reaches_the_starter() {
    let setup = StarterHarness::<Checks>::setup().identity("service.name", "checkout").saved_state(b"seen");
    assert_eq!(setup.start().call(told()).token(), 7);
}

/// Sets what it is configured to set, and returns how many headers were added.
struct Sets(Vec<(String, String)>);

impl Starter for Sets {
    fn new(config: Config) -> Result<Self, Error> {
        config.parse().map(Self)
    }

    fn start(&self, call: &StartedCall) -> u64 {
        self.0.iter().map(|(name, value)| u64::from(call.set_header(name, value).is_ok())).sum()
    }
}

#[test]
fn headers_that_a_starter_sets_are_seen_by_the_test() {
    let headers = [("b3", "0"), ("X-Audit", "1"), ("x-other", "2"), ("b3", "1")];
    let mut starter = StarterHarness::<Sets>::setup().config(headers).may_set("x-audit").start();
    let started = starter.call(TestCall::client("a.B/C"));
    assert_eq!(started.token(), 2);
    let set: Vec<_> = started.headers_set().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(set, [("b3", "0"), ("x-audit", "1")]);

    let on_the_server = starter.call(TestCall::server("a.B/C"));
    assert_eq!((on_the_server.token(), on_the_server.headers_set().len()), (0, 0));
}

#[test]
fn a_starter_that_refuses_says_why() {
    let refused = StarterHarness::<Sets>::setup().config(7).try_start().map(|_| ());
    assert_eq!(
        refused.map_err(|error| error.to_string()),
        Err("the manifest's [config]: invalid type: integer `7`, expected a sequence".to_owned())
    );
}

/// Numbers the calls; what it keeps is its own.
struct Numbers(Cell<u64>);

impl Starter for Numbers {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self(Cell::new(0)))
    }

    fn start(&self, call: &StartedCall) -> u64 {
        assert_ne!(call.method_symbol(), Symbol::NONE);
        self.0.set(self.0.get() + 1);
        self.0.get() * 100
    }
}

#[derive(Default)]
struct Tokens(Vec<(u64, u64)>);

impl Tracer for Tokens {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn finish_call(&mut self, call: &Call) {
        self.0.push((call.id(), call.token()));
    }
}

#[test]
fn the_token_comes_back_with_the_finished_call() {
    let mut starter = StarterHarness::<Numbers>::start();
    let one = starter.call(TestCall::client("a.B/C").id(5)).into_call();
    let two = starter.call(TestCall::client("a.B/C")).into_call();
    let mut host = Harness::<Tokens>::start();
    host.finish([two, one, TestCall::client("a.B/C")]);
    let tokens: Vec<_> = host.tracer().0.iter().map(|&(_, token)| token).collect();
    assert_eq!(tokens, [200, 100, 0], "a call whose start was skipped has no token");
    let mut ids: Vec<_> = host.tracer().0.iter().map(|&(id, _)| id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "every call has an id of its own: {ids:?}");
}
