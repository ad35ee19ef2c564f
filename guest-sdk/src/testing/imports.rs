//! What a tracer calls in the host, answered by the harness; `abi/imports.rs` has the same functions for wasm.
//!
//! Outside a harness there is a host without a table of symbols and without destinations, so that code under test that
//! logs or defines a metric works.

use std::cell::RefCell;

use super::host::Host;

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

pub(crate) fn swap_host(other: &mut Host) {
    HOST.with_borrow_mut(|host| std::mem::swap(host, other));
}

fn host<R>(ask: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with_borrow_mut(ask)
}

pub(crate) fn symbols(ids: &[u32]) -> Vec<String> {
    host(|host| host.symbols.tell(ids))
}

pub(crate) fn level(level: u8) {
    host(|host| host.set_level(level));
}

pub(crate) fn every(milliseconds: u32) {
    host(|host| host.set_period(milliseconds));
}

pub(crate) fn attempts() {
    host(Host::set_attempts);
}

pub(crate) fn counter(name: &str, unit: &str, help: &str, label_keys: &[String]) -> u32 {
    host(|host| host.metrics.define(super::metrics::Kind::Counter, name, unit, help, label_keys, &[]))
}

pub(crate) fn gauge(name: &str, unit: &str, help: &str, label_keys: &[String]) -> u32 {
    host(|host| host.metrics.define(super::metrics::Kind::Gauge, name, unit, help, label_keys, &[]))
}

pub(crate) fn histogram(name: &str, unit: &str, help: &str, label_keys: &[String], bounds: &[f64]) -> u32 {
    host(|host| host.metrics.define(super::metrics::Kind::Histogram, name, unit, help, label_keys, bounds))
}

pub(crate) fn series_of(instrument: u32, label_values: &[String]) -> u32 {
    host(|host| host.metrics.series_of(instrument, label_values))
}

pub(crate) fn add(to: &[u32], values: &[f64]) {
    host(|host| host.metrics.stage_add(to, values));
}

pub(crate) fn set(to: &[u32], values: &[f64]) {
    host(|host| host.metrics.stage_set(to, values));
}

pub(crate) fn merge(to: u32, counts: &[u64], sum: f64) {
    host(|host| host.metrics.stage_merge(to, counts, sum));
}

pub(crate) fn send(destination: &str, content_type: &str, payload: &[u8]) -> Result<(), u32> {
    host(|host| host.send(destination, content_type, payload))
}

pub(crate) fn max_payload(destination: &str) -> Option<u32> {
    host(|host| host.max_payload(destination))
}

pub(crate) fn log(severity: u8, message: &str) {
    host(|host| host.log(severity, message));
}

pub(crate) fn save(bytes: &[u8]) -> bool {
    host(|host| host.save(bytes))
}

pub(crate) fn saved() -> Option<Vec<u8>> {
    host(|host| host.state().map(<[u8]>::to_vec))
}

pub(crate) fn header(name: &str) -> Option<String> {
    host(|host| host.headers.as_ref()?.get(name))
}

pub(crate) fn set_header(name: &str, value: &str) -> Result<(), u32> {
    host(|host| host.headers.as_mut().map_or(Err(3), |headers| headers.set(name, value)))
}
