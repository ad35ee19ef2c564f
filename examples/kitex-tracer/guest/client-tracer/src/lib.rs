//! Kitex's `clientTracer` as a module: what each call cost its client, from the events of its start and its finish.

use hottap_guest::metrics::DurationHistogram;
use hottap_guest::{Call, Config, Error, Event, Side, Tracer, export};

export!(ClientTracer);

struct ClientTracer {
    cost: DurationHistogram,
}

impl Tracer for ClientTracer {
    fn new(_config: Config) -> Result<Self, Error> {
        let cost = DurationHistogram::define("kitex.client.cost").help("What calls cost their client.");
        Ok(Self { cost: cost.labels(["method"]).build() })
    }

    // There is no Start: Kitex's does nothing, and what is not there costs nothing.

    fn finish_call(&mut self, call: &Call) {
        // In Kitex a tracer is given to clients or to servers; a module sees both.
        if call.side() != Side::Client {
            return;
        }
        let (Some(rpc_start), Some(rpc_finish)) = (call.event(Event::RPC_START), call.event(Event::RPC_FINISH)) else {
            return;
        };
        let cost = rpc_finish.at.saturating_sub(rpc_start.at);
        self.cost.with(&[call.method()]).record(cost);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ClientTracer;
    use hottap_guest::testing::{Harness, TestCall};

    #[test]
    fn the_cost_of_a_clients_call_is_the_time_between_its_start_and_its_finish() {
        let mut host = Harness::<ClientTracer>::start();
        host.finish([
            TestCall::client("shop.v1.Pricing/Quote").duration(Duration::from_millis(250)),
            TestCall::client("shop.v1.Pricing/Quote").duration(Duration::from_millis(500)),
            TestCall::server("shop.v1.Checkout/Place"),
        ]);
        host.flush();

        let quote = host.histogram("kitex.client.cost", &[("method", "shop.v1.Pricing/Quote")]);
        let quote = quote.expect("there were calls");
        assert_eq!((quote.count(), quote.sum), (2, 0.75));
        assert_eq!(host.label_sets("kitex.client.cost").len(), 1, "servers' calls have no cost of a client");
    }
}
