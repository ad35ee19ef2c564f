//! Modules, from bytes to an instance.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::module_load(data));
