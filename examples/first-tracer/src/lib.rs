//! Counts calls and adds up their durations, by method: the smallest tracer worth copying.

use hottap_guest::metrics::Counter;
use hottap_guest::{Call, Config, Error, Flush, Tracer, export, log};

export!(FirstTracer);

struct FirstTracer {
    calls: Counter,
    busy: Counter,
    since_flush: u64,
}

impl Tracer for FirstTracer {
    fn new(_config: Config) -> Result<Self, Error> {
        Ok(Self {
            calls: Counter::define("first.calls").unit("{call}").help("Finished calls.").labels(["method"]).build(),
            busy: Counter::define("first.busy").unit("s").help("Time they took.").labels(["method"]).build(),
            since_flush: 0,
        })
    }

    fn finish_call(&mut self, call: &Call) {
        self.calls.with(&[call.method()]).increment();
        self.busy.with(&[call.method()]).add(call.duration().as_secs_f64());
        self.since_flush += 1;
    }

    fn flush(&mut self, at: Flush) {
        if self.since_flush > 0 {
            log::info(format_args!("{} calls in {:?}", self.since_flush, at.elapsed));
            self.since_flush = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::FirstTracer;
    use hottap_guest::testing::{Harness, TestCall};

    #[test]
    fn calls_are_counted_by_method() {
        let mut host = Harness::<FirstTracer>::start();
        host.finish([
            TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_millis(250)),
            TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_millis(500)),
            TestCall::client("shop.v1.Inventory/Reserve"),
        ]);
        host.flush();

        let place = [("method", "shop.v1.Checkout/Place")];
        assert_eq!(host.counter("first.calls", &place), Some(2.0));
        assert_eq!(host.counter("first.busy", &place), Some(0.75));
        assert_eq!(host.log()[0].message, "3 calls in 1s");
    }
}
