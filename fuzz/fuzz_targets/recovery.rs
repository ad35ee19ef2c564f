//! The ladder after a failed call, against a model.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::recovery(data));
