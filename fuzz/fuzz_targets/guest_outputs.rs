//! All that a guest can hand to the host.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::guest_outputs(data));
