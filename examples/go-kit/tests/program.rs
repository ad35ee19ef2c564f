//! The program itself: what it does when its exporter's configuration is bad.

#![cfg(test)]

use std::process::Command;

#[test]
fn a_bad_exporter_configuration_ends_the_program_with_the_reason() {
    let output = Command::new(env!("CARGO_BIN_EXE_go-kit"))
        .args(["--port", "0"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:14268")
        .output()
        .expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{words}");
}
