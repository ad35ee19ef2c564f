//! Kitex's `myTracer` as a module: a span for each call, started in one function and finished in the other.

use std::time::Duration;

use hottap_guest::metrics::DurationHistogram;
use hottap_guest::{Call, Config, Error, Side, StartedCall, Starter, Tracer, export};

export!(MyTracer, MyStarter);

/// What Kitex's `Start` does. It shares no memory with `MyTracer`: what it returns is all that comes back.
struct MyStarter;

impl Starter for MyStarter {
    fn new(_config: Config) -> Result<Self, Error> {
        Ok(Self)
    }

    /// Starts a span. Its token is the time when it began.
    fn start(&self, call: &StartedCall) -> u64 {
        call.started()
    }
}

/// What Kitex's `Finish` does.
struct MyTracer {
    /// How many spans there were, and their total duration: a histogram's count and sum.
    spans: DurationHistogram,
}

impl Tracer for MyTracer {
    fn new(_config: Config) -> Result<Self, Error> {
        let spans = DurationHistogram::define("kitex.span.duration").help("Finished spans.");
        Ok(Self { spans: spans.labels(["name", "method"]).build() })
    }

    /// Finishes the call's span, if it was started.
    fn finish_call(&mut self, call: &Call) {
        let began = call.token();
        if began == 0 {
            return;
        }
        let name = if call.side() == Side::Client { "RPC call" } else { "RPC handle" };
        let ended = Duration::from_nanos(call.started()) + call.duration();
        let span = ended.saturating_sub(Duration::from_nanos(began));
        self.spans.with(&[name, call.method()]).record(span);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MyStarter, MyTracer};
    use hottap_guest::testing::{Harness, StarterHarness, TestCall};

    #[test]
    fn a_span_that_was_started_is_finished_with_its_call() {
        let mut starter = StarterHarness::<MyStarter>::start();
        let quote = TestCall::client("shop.v1.Pricing/Quote").duration(Duration::from_millis(250));
        let place = TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_millis(500));
        let (quote, place) = (starter.call(quote), starter.call(place));

        let mut host = Harness::<MyTracer>::start();
        host.finish([quote.into_call(), place.into_call(), TestCall::client("shop.v1.Pricing/Quote")]);
        host.flush();

        let span = |name, method| {
            let span = host.histogram("kitex.span.duration", &[("name", name), ("method", method)]);
            span.map(|span| (span.count(), span.sum))
        };
        assert_eq!(span("RPC call", "shop.v1.Pricing/Quote"), Some((1, 0.25)), "no start, no span");
        assert_eq!(span("RPC handle", "shop.v1.Checkout/Place"), Some((1, 0.5)));
    }
}
