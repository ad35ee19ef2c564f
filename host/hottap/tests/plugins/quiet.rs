//! A service that logs at debug hears nothing of the libraries that load a plugin.

use std::sync::{Mutex, PoisonError};

use crate::apart;
use crate::guests::QUIET;
use crate::house::House;

/// Hands lines of crate log to the thread's subscriber, as tracing-log's `LogTracer` does: here it keeps where they come
/// from, if the subscriber would have them.
struct Bridge(Mutex<Vec<String>>);

static BRIDGE: Bridge = Bridge(Mutex::new(Vec::new()));

impl log::Log for Bridge {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if tracing::event_enabled!(tracing::Level::DEBUG) {
            let line = format!("{} {}", record.target(), record.args());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}

#[test]
fn nothing_of_the_engine_is_logged_when_a_plugin_loads() {
    if apart::run("quiet::nothing_of_the_engine_is_logged_when_a_plugin_loads") {
        return;
    }
    crate::log::listen();
    log::set_logger(&BRIDGE).expect("the first");
    log::set_max_level(log::LevelFilter::Debug);
    log::debug!(target: "wit_parser", "a control");
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    // Of a core module a component is made first.
    house.drop_in("red-metrics.wasm", fixtures::guest("red-metrics.wasm"));
    house.until_live("red-metrics");
    house.calls(100);
    house.settled("quiet", 100);
    let heard = BRIDGE.0.lock().unwrap_or_else(PoisonError::into_inner);
    // The engine's cache says on a thread of its own that it has started, once in a process.
    let engine = ["wit_parser", "wit_component", "wasmtime", "cranelift", "regalloc2"];
    let is_loading = |line: &str| engine.iter().any(|name| line.starts_with(name)) && !line.contains("_cache::worker ");
    let heard: Vec<_> = heard.iter().filter(|line| is_loading(line)).collect();
    assert_eq!(heard, ["wit_parser a control"]);
}
