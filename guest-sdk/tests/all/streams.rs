//! Following streams: what a tracer sees of messages, and that it is the tracer that sees the finished calls.

use std::collections::BTreeMap;

use hottap_guest::metrics::Counter;
use hottap_guest::testing::{Harness, TestCall, TestMoment};
use hottap_guest::{Call, Config, Error, Event, Moments, Streams, Symbol, Tracer};

struct Bytes {
    open: BTreeMap<u64, u64>,
    seen: Vec<(u64, &'static str, &'static str, u64, u64)>,
    counter: Counter,
}

impl Tracer for Bytes {
    fn new(_: Config) -> Result<Self, Error> {
        let counter = Counter::define("bytes").labels(["when"]).build();
        Ok(Self { open: BTreeMap::new(), seen: Vec::new(), counter })
    }

    fn finish_call(&mut self, call: &Call) {
        let bytes = self.open.remove(&call.id()).unwrap_or_default();
        self.counter.with(&["finished"]).add(bytes as f64);
    }
}

impl Streams for Bytes {
    fn progress(&mut self, moments: &Moments) {
        assert!(!moments.is_empty() && moments.len() == moments.iter().len());
        let columns =
            [moments.methods().len(), moments.kinds().len(), moments.times().len(), moments.sizes().raw().len()];
        assert_eq!(columns, [moments.len(); 4]);
        for moment in moments.iter() {
            *self.open.entry(moment.call_id).or_default() += moment.size;
            self.counter.with(&["open"]).add(moment.size as f64);
            let (method, kind) = (moment.method.as_str(), moment.kind.as_str());
            self.seen.push((moment.call_id, method, kind, moment.time, moment.size));
        }
    }
}

#[test]
fn messages_reach_the_tracer_in_the_order_of_their_times() {
    let mut host = Harness::<Bytes>::start();
    host.progress([
        TestMoment::sent(7, 100).time(30),
        TestMoment::received(8, 5).method("a.B/C").time(10),
        TestMoment::received(7, 20).time(20),
    ]);
    let expected =
        [(8, "a.B/C", "stream_recv", 10, 5), (7, "", "stream_recv", 20, 20), (7, "", "stream_send", 30, 100)];
    assert_eq!(host.tracer().seen, expected);
}

#[test]
fn what_is_recorded_of_messages_counts_with_the_flush() {
    let mut host = Harness::<Bytes>::start();
    host.progress([]);
    host.progress([TestMoment::sent(7, 100), TestMoment::sent(7, 100)]);
    assert_eq!(host.counter("bytes", &[]), None, "nothing counts before a flush");
    host.flush();
    assert_eq!(host.counter("bytes", &[("when", "open")]), Some(200.0));
    host.finish([TestCall::server("a.B/C").id(7)]);
    host.flush();
    assert_eq!(host.counter("bytes", &[("when", "finished")]), Some(200.0), "it is one tracer");
}

/// Keeps kinds and methods as they come.
struct Raw(Vec<(Symbol, bool)>);

impl Tracer for Raw {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self(Vec::new()))
    }
}

impl Streams for Raw {
    fn progress(&mut self, moments: &Moments) {
        let sent = moments.kinds().map(|kind| kind == Event::STREAM_SEND);
        self.0.extend(moments.methods().zip(sent));
    }
}

#[test]
fn a_method_that_the_host_does_not_know_yet_is_none() {
    let mut host = Harness::<Raw>::start();
    host.progress([TestMoment::sent(1, 5), TestMoment::received(1, 5)]);
    assert_eq!(host.tracer().0, [(Symbol::NONE, true), (Symbol::NONE, false)]);
}
