//! The SDK agrees with the contract and with the host's fixed symbols.

use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Batch, Config, Error, Event, Level, Tracer, error_type};

/// The lengths of the table's columns, each asked for.
macro_rules! lens {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $raw:ty => $sdk:ty;)*) => {
        |batch: &Batch| [$(batch.$name().len()),*]
    };
}

/// Number, name and type of each column, as the contract writes them: `s32` for `i32`.
macro_rules! table {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $raw:ty => $sdk:ty;)*) => {
        vec![$((
            $number as usize,
            stringify!($name).replace('_', "-"),
            table!(@$kind $raw).replace('i', "s"),
        )),*]
    };
    (@symbol $raw:ty) => {
        concat!("symbol ", stringify!($raw))
    };
    (@$kind:ident $raw:ty) => {
        stringify!($raw)
    };
}

/// Asks for every column there is.
struct Everything;

impl Tracer for Everything {
    fn new(config: Config) -> Result<Self, Error> {
        config.level(Level::Detailed);
        Ok(Self)
    }

    fn finish(&mut self, batch: &Batch) {
        let lens = number_columns!(lens);
        let lens = lens(batch).into_iter().chain([
            batch.peers().len(),
            batch.error_messages().len(),
            batch.event_offsets().len() - 1,
            batch.tag_offsets().len() - 1,
        ]);
        let lens: Vec<usize> = lens.collect();
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

/// The part of the contract's text that is about a batch.
fn contract() -> &'static str {
    let (_, after) =
        include_str!("../../wit/tracer.wit").split_once("resource batch {").expect("the contract has batches");
    after.split_once("\n  }").expect("the resource ends").0
}

#[test]
fn the_contract_has_the_columns_of_the_table() {
    // The type of each accessor; a symbol is a u32.
    let accessors: Vec<(&str, &str)> = contract()
        .lines()
        .filter_map(|line| line.trim().strip_suffix(">;")?.split_once(": func() -> list<"))
        .map(|(name, of)| (name, if of == "symbol" { "symbol u32" } else { of }))
        .collect();
    let (_, listed) = contract().split_once("elements each:").expect("the order is listed");
    let (listed, _) = listed.split_once('.').expect("the list ends");
    let listed: Vec<String> = listed
        .replace("///", "")
        .split(',')
        .map(|column| column.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let table = number_columns!(table);
    let numbered: Vec<String> = table.iter().map(|(number, name, _)| format!("{number} {name}")).collect();
    assert_eq!(listed, numbered, "the list in the text of `columns`");
    for (place, (number, name, of)) in table.iter().enumerate() {
        assert_eq!(place, *number, "{name}: numbers follow each other");
        let found = accessors.iter().find(|(accessor, _)| accessor == name);
        assert_eq!(found, Some(&(name.as_str(), of.as_str())), "{name}");
    }
    // Whatever else has one number for each call is in the table too.
    let others = ["peers", "error-messages"];
    let beside = accessors.iter().map(|(name, _)| *name).filter(|name| {
        !name.starts_with("event-") && !name.starts_with("tag-") && !table.iter().any(|(_, known, _)| known == name)
    });
    assert_eq!(beside.collect::<Vec<_>>(), others);
}

#[test]
fn every_column_of_the_contract_has_an_accessor() {
    let mut expected: Vec<String> = contract()
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
