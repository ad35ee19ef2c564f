//! Bodies of Connect's streams and errors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::connect_frames(data));
