//! Values that a guest hands to the host: a puppet calls every import with what the input says.

use std::sync::{Arc, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::assert_one_line;
use super::module::{check, engines, stage, surroundings};
use crate::metrics::{Registry, Writer, assert_page};
use crate::wasm::{CallError, Cancel, Cause, Limits, Module};
use hottap_core::collect::{Batch, Shards, View};
use hottap_core::live::{Mask, Shown};
use hottap_core::rpc::{Level, Method, RpcInfo, RpcStats, Side, Symbol, TraceContext};

/// The guest that does as it is told: its text says how the input is read.
const PUPPET: &str = include_str!("puppet.wat");
/// Bytes of an input: what the puppet has room for.
const MOST: usize = 16 << 10;
/// Rows of the batch that it is shown.
const ROWS: usize = 5;

/// Whatever a guest hands over, the host goes on; its metrics make a page that can be read, its log lines and its
/// errors are one line each.
pub fn guest_outputs(data: &[u8]) {
    assert_page(&play(data));
}

/// Has the puppet do what the input says; returns the page of metrics that comes of it.
fn play(data: &[u8]) -> String {
    static MODULE: OnceLock<Module> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let bytes = wat::parse_str(PUPPET).unwrap_or_else(|error| panic!("{error}"));
        let compile = |checked| Module::compile(engines(), &bytes, checked, &Cancel::default());
        crate::wasm::check(&bytes).and_then(compile).unwrap_or_else(|error| panic!("{error}"))
    });
    let (registry, stage) = stage();
    let surroundings = surroundings(Some(data.get(..MOST).unwrap_or(data)));
    tracing::subscriber::with_default(OneLineEach, || {
        let name = "fuzzed".into();
        let played = module.instance(&name, Limits::default(), stage, &surroundings).and_then(|mut guest| {
            guest.finish(batch()?)?;
            guest.flush(Cause::Period, 2, 1)?;
            guest.commit(1);
            let settings = guest.settings();
            assert!((50..=60_000).contains(&settings.period.as_millis()), "{settings:?}");
            Ok(())
        });
        if let Err(error) = played {
            check(&error);
        }
    });
    let saved = surroundings.state.get().map_or(0, |saved| saved.len());
    assert!(saved <= 1 << 20, "{saved} bytes of state");
    page(&registry)
}

fn page(registry: &Arc<Registry>) -> String {
    let mut writer = Writer::default();
    registry.write(&mut writer, 1);
    writer.finish()
}

/// Some calls of one method, of which the last fails.
fn batch() -> Result<View, CallError> {
    let shards = Arc::new(Shards::default());
    let method = Symbol::intern("fuzz.v1.Fuzz/Call");
    let mut buffer = shards.spare();
    for i in 0..ROWS {
        let mut stats = RpcStats::new(Level::Base, i as u64, 1);
        if i + 1 == ROWS {
            stats.fail(hottap_core::rpc::Outcome::Error, Symbol::intern("UNAVAILABLE"), "no room");
        }
        let info = RpcInfo::new(i as u64, Side::Server, Method::known(method), TraceContext::root(), stats);
        buffer.write(&info, method, Mask::one(0));
    }
    let batch = Batch::from_buffers(vec![buffer], &shards).into_iter().next();
    let view = batch.and_then(|batch| View::new(&batch, 0, Shown::of_all(Level::Base)));
    view.ok_or_else(|| CallError::Init("there is no batch".to_owned()))
}

/// Panics at a line of the log that could be taken for two.
struct OneLineEach;

struct Words;

impl Subscriber for OneLineEach {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Words);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Words {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        assert_one_line(&format!("{value:?}"));
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        assert_one_line(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_puppet_does_as_its_seeds_say() {
        for (seed, expected) in [
            (&include_bytes!("../../../../fuzz/seeds/guest_outputs/counter")[..], "rpc_calls_total{tracer=\"fuzzed\""),
            (
                include_bytes!("../../../../fuzz/seeds/guest_outputs/gauge-of-two-lines"),
                "x_open_bytes{tracer=\"fuzzed\"",
            ),
            (
                include_bytes!("../../../../fuzz/seeds/guest_outputs/histogram"),
                "x_duration_seconds_bucket{tracer=\"fuzzed\"",
            ),
        ] {
            let page = play(seed);
            assert!(page.contains(expected), "{expected} is not in {page:?}");
        }
        assert_eq!(play(&[19]), "", "a trap leaves nothing");
    }
}
