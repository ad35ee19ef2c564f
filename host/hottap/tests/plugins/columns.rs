//! Columns as a guest reads them: by themselves and several at once.

use hottap::rpc::{Outcome, Protocol, Side, Streaming, Symbol, Traffic};

use crate::house::House;

/// Calls of which each fact has a value of its own.
fn distinct(house: &House, calls: u64) {
    let [caller, callee, error] = ["shop", "pricing", "SOLD_OUT"].map(Symbol::intern);
    for i in 0..calls {
        let traffic = |from: u64| Traffic { bytes: from + i, messages: from as u32 + 1, last_bytes: from + 2 };
        let mut call = house.tap.start_call(Side::Server, "shop.v1.Checkout/Place").expect("somebody wants it");
        call.set_protocol(Protocol::GrpcWeb);
        call.set_streaming(Streaming::Both);
        call.set_services(caller, callee);
        call.set_traffic(traffic(1_000), traffic(2_000));
        call.set_http_status(503);
        call.set_rpc_status(14);
        call.set_business_status(-7, "sold out");
        call.fail(Outcome::TimedOut, error, format!("none of {} left", i % 7));
        call.finish();
    }
}

#[test]
fn a_column_is_the_same_by_itself_and_among_others() {
    let module = fixtures::guest("mirror.wasm");
    let house = House::new();
    house.drop_in("all.wasm", &module);
    // Of no call at all, and of a selection: the columns of a selection are made in another way.
    house.drop_in("half.toml", "[scope]\nmethods = [\"shop.*\"]\n");
    house.drop_in("half.wasm", &module);
    house.until_live("all");
    house.until_live("half");
    for _ in 0..10 {
        distinct(&house, 50);
        house.calls(10);
    }
    house.settled("all", 600);
    house.settled("half", 500);
    for (tracer, calls) in [("all", 600.0), ("half", 500.0)] {
        let page = house.tap.metrics();
        let agreed: Vec<(&str, &str)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("mirror_agreed_total{tracer=\"")?.strip_prefix(tracer))
            .filter_map(|line| line.strip_prefix("\",column=\"")?.split_once("\"} "))
            .collect();
        let expected: Vec<_> = agreed.iter().map(|(column, _)| (*column, calls.to_string())).collect();
        let agreed: Vec<_> = agreed.into_iter().map(|(column, calls)| (column, calls.to_owned())).collect();
        assert_eq!(agreed, expected, "{tracer}");
        assert_eq!(agreed.len(), 33, "31 columns, the names of methods, and the texts");
    }
}
