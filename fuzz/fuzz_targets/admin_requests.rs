//! Requests to the admin API.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::admin_requests(data));
