//! Headers of traces and baggage, in and out.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::propagation(data));
