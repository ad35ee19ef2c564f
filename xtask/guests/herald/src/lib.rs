//! A tracer that tries to see and set every kind of header, for tests of what starters may; no example to copy.

use hottap_guest::metrics::{Counter, CounterSeries};
use hottap_guest::{Call, Config, Error, StartedCall, Starter, Tracer, export, outbox};

/// What the starter tries to see; bit i of the token says that it saw the i-th.
const SEE: [&str; 6] = ["b3", "traceparent", "x-tenant", "authorization", "cookie", "baggage"];
/// What it tries to set; bit 8 + i says that it could.
const SET: [&str; 8] =
    ["x-b3-traceid", "uber-trace-id", "x-audit-id", "traceparent", "authorization", "cookie", "host", "te"];
/// So many headers more, which the operator may let it set; bits 16 to 23 count how many it could.
const MANY: u64 = 20;
/// Where the time of the start stands in the token, in nanoseconds. What does not fit is cut off, which leaves 18 minutes.
const STARTED: u32 = 24;

/// Counts the calls by token.
struct Herald {
    calls: Counter,
    /// Calls that are said to have started when their starter was told that they do.
    same_start: CounterSeries,
}

impl Tracer for Herald {
    fn new(_: Config) -> Result<Self, Error> {
        let calls = Counter::define("herald.calls").labels(["seen", "set", "many"]).build();
        Ok(Self { calls, same_start: Counter::define("herald.same_start").build().with(&[]) })
    }

    fn finish_call(&mut self, call: &Call) {
        let [seen, set, many, ..] = call.token().to_le_bytes();
        let names = |of: &[&str], bits: u8| -> String {
            let named = of.iter().enumerate().filter(|(i, _)| bits & 1 << i != 0);
            named.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
        };
        self.calls.with(&[&names(&SEE, seen), &names(&SET, set), &many.to_string()]).increment();
        if call.token() >> STARTED == call.started() << STARTED >> STARTED {
            self.same_start.increment();
        }
    }
}

struct Tries;

impl Starter for Tries {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self)
    }

    fn start(&self, call: &StartedCall) -> u64 {
        let seen = SEE.iter().enumerate().filter(|(_, name)| call.header(name).is_some());
        let seen = seen.fold(0, |bits, (i, _)| bits | 1 << i);
        let trace_id = format!("{:032x}", call.trace_id());
        let set = SET.iter().enumerate().filter(|(_, name)| call.set_header(name, &trace_id).is_ok());
        let set: u64 = set.fold(0, |bits, (i, _)| bits | 1 << i);
        let many = (0..MANY).filter(|i| call.set_header(&format!("x-many-{i}"), "1").is_ok()).count() as u64;
        // It goes nowhere, and nobody's space is taken for it.
        if outbox::send("records", "text/plain", &[b'x'; 1 << 10]).is_err() {
            return 0;
        }
        seen | set << 8 | many << 16 | call.started() << STARTED
    }
}

export!(Herald, Tries);
