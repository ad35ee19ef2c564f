//! Bodies of gRPC and gRPC-web, and trailers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hottap_plugins::fuzz::grpc_frames(data));
