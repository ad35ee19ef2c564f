//! What a tracer calls in the host, as the rest of the SDK sees it; the test harness has the same functions.

use super::bindings::hottap::tracer as host;
use super::start::bindings::hottap::tracer::starting;

pub(crate) fn symbols(ids: &[u32]) -> Vec<String> {
    host::rpc::symbols(ids)
}

pub(crate) fn level(level: u8) {
    host::setup::level(level);
}

pub(crate) fn every(milliseconds: u32) {
    host::setup::every(milliseconds);
}

pub(crate) fn attempts() {
    host::setup::attempts();
}

pub(crate) fn counter(name: &str, unit: &str, help: &str, label_keys: &[String]) -> u32 {
    host::metrics::counter(name, unit, help, label_keys)
}

pub(crate) fn gauge(name: &str, unit: &str, help: &str, label_keys: &[String]) -> u32 {
    host::metrics::gauge(name, unit, help, label_keys)
}

pub(crate) fn histogram(name: &str, unit: &str, help: &str, label_keys: &[String], bounds: &[f64]) -> u32 {
    host::metrics::histogram(name, unit, help, label_keys, bounds)
}

pub(crate) fn series_of(instrument: u32, label_values: &[String]) -> u32 {
    host::metrics::series_of(instrument, label_values)
}

pub(crate) fn add(to: &[u32], values: &[f64]) {
    host::metrics::add(to, values);
}

pub(crate) fn set(to: &[u32], values: &[f64]) {
    host::metrics::set(to, values);
}

pub(crate) fn merge(to: u32, counts: &[u64], sum: f64) {
    host::metrics::merge(to, counts, sum);
}

pub(crate) fn send(destination: &str, content_type: &str, payload: &[u8]) -> Result<(), u32> {
    host::outbox::send(destination, content_type, payload)
}

pub(crate) fn max_payload(destination: &str) -> Option<u32> {
    host::outbox::max_payload(destination)
}

pub(crate) fn log(severity: u8, message: &str) {
    host::log::write(severity, message);
}

pub(crate) fn save(bytes: &[u8]) -> bool {
    host::state::save(bytes)
}

pub(crate) fn saved() -> Option<Vec<u8>> {
    host::state::saved()
}

pub(crate) fn header(name: &str) -> Option<String> {
    starting::header(name)
}

pub(crate) fn set_header(name: &str, value: &str) -> Result<(), u32> {
    starting::set_header(name, value)
}
