//! The operator's hottap.toml.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::operator_config(data));
