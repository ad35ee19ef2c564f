//! The SDK agrees with the contract and with the host's fixed symbols.

use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Batch, Config, Error, Event, Level, Tracer, error_type};

/// Asks for every column there is.
struct Everything;

impl Tracer for Everything {
    fn new(config: Config) -> Result<Self, Error> {
        config.level(Level::Detailed);
        Ok(Self)
    }

    fn finish(&mut self, batch: &Batch) {
        let lens = [
            batch.ids().len(),
            batch.kinds().len(),
            batch.logical_ids().len(),
            batch.attempts().len(),
            batch.sides().len(),
            batch.methods().len(),
            batch.callers().len(),
            batch.callees().len(),
            batch.peers().len(),
            batch.protocols().len(),
            batch.streaming().len(),
            batch.started().len(),
            batch.durations().len(),
            batch.deadlines().len(),
            batch.sent_bytes().len(),
            batch.received_bytes().len(),
            batch.sent_messages().len(),
            batch.received_messages().len(),
            batch.last_sent_bytes().len(),
            batch.last_received_bytes().len(),
            batch.outcomes().len(),
            batch.http_statuses().len(),
            batch.rpc_statuses().len(),
            batch.business_statuses().len(),
            batch.error_types().len(),
            batch.error_messages().len(),
            batch.trace_ids_high().len(),
            batch.trace_ids_low().len(),
            batch.span_ids().len(),
            batch.parent_span_ids().len(),
            batch.sampled().len(),
            batch.tokens().len(),
            batch.events_elided().len(),
            batch.event_offsets().len() - 1,
            batch.tag_offsets().len() - 1,
        ];
        assert!(lens.iter().all(|&len| len == batch.len()), "{lens:?}");
        let events = [
            batch.event_kinds().len(),
            batch.event_times().len(),
            batch.event_statuses().len(),
            batch.event_infos().len(),
        ];
        // Start and finish of both, and the one that the test made.
        assert_eq!(events, [5; 4]);
        assert_eq!([batch.tag_keys().len(), batch.tag_values().len()], [2; 2]);
        let peers = batch.texts(batch.peers());
        assert_eq!(peers, batch.peers().map(|peer| batch.text(peer)).collect::<Vec<_>>());
    }
}

#[test]
fn every_column_of_the_contract_has_an_accessor() {
    let wit = include_str!("../../wit/tracer.wit");
    let (_, after) = wit.split_once("resource batch {").expect("the contract has batches");
    let (resource, _) = after.split_once("\n  }").expect("the resource ends");
    let mut expected: Vec<String> = resource
        .lines()
        .filter_map(|line| line.trim().split_once(": func()"))
        .map(|(name, _)| name.replace('-', "_"))
        .filter(|name| name != "len" && name != "texts")
        .collect();
    expected.sort();
    assert!(expected.len() > 30, "{expected:?}");

    let mut host = Harness::<Everything>::start();
    host.finish([
        TestCall::server("a.B/C").event(Event::READ_START, std::time::Duration::from_nanos(1)),
        TestCall::client("GET /x").tag("a", "1").tag("b", "2"),
    ]);
    assert_eq!(host.columns_pulled(), expected);
}

/// Numbers and texts in the host's table.
fn hosts_symbols() -> Vec<(u32, &'static str)> {
    let source = include_str!("../../../host/core/src/rpc/symbol.rs");
    let (_, after) = source.split_once("const FIXED: &[(u8, &str)] = &[").expect("the host has fixed symbols");
    let (table, _) = after.split_once("];").expect("the table ends");
    table
        .lines()
        .filter_map(|line| line.trim().strip_prefix('(')?.strip_suffix("),")?.split_once(", "))
        .map(|(id, text)| (id.parse().expect("a number"), text.trim_matches('"')))
        .collect()
}

#[test]
fn fixed_symbols_are_the_hosts() {
    let symbols = hosts_symbols();
    assert!(symbols.len() > 40, "{symbols:?}");
    let mut known = vec![Event::RPC_START.symbol(), Event::STREAM_FINISH.symbol()];
    known.extend([error_type::OK, error_type::UNAUTHENTICATED, error_type::CANCELLED, error_type::FRAME]);
    for symbol in known {
        assert!(symbols.contains(&(symbol.id(), symbol.as_str())), "{} {symbol}", symbol.id());
    }
    for (id, text) in symbols {
        let symbol = <hottap_guest::Symbol as hottap_guest::Element>::from_raw(id);
        assert_eq!(symbol.as_str(), text, "fixed symbol {id}");
    }
}
