//! Plugins from the file to the committed metric: real modules in a real directory, under calls made by hand.

#![recursion_limit = "256"]
#![cfg(test)]

#[path = "../server/apart.rs"]
mod apart;
mod chat;
#[path = "../layers/codec.rs"]
mod codec;
#[expect(dead_code, reason = "the tests of export ask for more")]
#[path = "../otel/collector.rs"]
mod collector;
mod destinations;
mod facts;
mod guests;
mod house;
mod log;
mod peers;
mod scraper;
mod sink;

mod accounting;
mod actions;
mod bad_input;
mod beginnings;
mod claims;
mod columns;
mod directory;
mod environment;
mod failures;
mod forked;
mod influxdb;
mod levels;
mod loading;
mod memory;
mod messages;
mod metered;
mod metrics;
mod neighbours;
mod otlp;
mod prometheus;
mod quiet;
mod ready;
mod recovery;
mod reload;
mod removal;
mod starts;
mod stream;
mod streams;
mod texts;
mod victoria_metrics;
mod wasi_types;
