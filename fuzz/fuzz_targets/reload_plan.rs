//! The plan of loading, against a directory that changes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::reload_plan(data));
