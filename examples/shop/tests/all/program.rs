//! The program as the demo runs it: commands on stdin, answers and a report on stdout, SIGTERM.

use std::process::Command;

use serde_json::Value;

use crate::child::Shop;

#[test]
fn it_counts_holds_goes_and_reports_at_sigterm() {
    let mut shop = Shop::start(&["--rate", "200", "--seconds", "60", "--json"]);
    while shop.ask("count")["rpcs"].as_u64().expect("a count") < 20 {}
    let held = shop.ask("hold");
    assert_eq!(shop.ask("count"), held, "nothing is made while it is held");
    assert_eq!(shop.ask("go"), serde_json::json!({"rpcs": 0, "failed": 0}));
    assert!(shop.ask("stop")["error"].as_str().expect("words").contains("count, hold, go and lap"));
    while shop.ask("count")["rpcs"].as_u64().expect("a count") < 20 {}
    let lap = shop.ask("lap");
    let sum = |lap: &Value, key: &str| -> u64 {
        let buckets = lap[key].as_array().expect("a list").iter();
        buckets.map(|bucket| bucket[1].as_u64().expect("a count")).sum()
    };
    assert!(sum(&lap, "latencies_us") >= 20 && lap["rpcs"].as_u64() >= Some(20), "{lap}");
    assert!((1..=sum(&lap, "latencies_us")).contains(&sum(&lap, "prompt_latencies_us")), "{lap}");
    shop.ask("hold");
    shop.ask("lap");
    assert_eq!(sum(&shop.ask("lap"), "latencies_us"), 0, "each RPC is in one lap");
    // The end of stdin is not the end of the shop.
    drop(shop.stdin.take());

    shop.terminate();
    let (last, success) = shop.end();
    assert!(success);
    let report: Value = serde_json::from_str(&last).expect("JSON");
    assert!(report["rpcs"].as_u64().expect("a count") >= 20, "{report}");
    assert_eq!(report["failed"], 0, "{report}");
    assert_eq!(report["tracers"], serde_json::json!({}), "{report}");
    assert_eq!((&report["loads"], &report["swaps"]), (&Value::from(0), &serde_json::json!([])), "{report}");
}

#[test]
fn it_ends_by_itself_after_its_seconds_and_prints_a_line_for_each() {
    let mut shop = Shop::start(&["--rate", "100", "--seconds", "2"]);
    assert_eq!(shop.line(), "checkout, inventory and pricing serve; the load is 100 RPC/s");
    let (last, success) = {
        let mut lines = Vec::new();
        while let Some(Ok(line)) = shop.lines.next() {
            lines.push(line);
        }
        assert!(lines.iter().any(|line| line.contains(" 1 s ") && line.contains("RPC/s")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("0 should not have")), "{lines:#?}");
        (lines.pop().expect("a last line"), shop.child.wait().expect("it is ours").success())
    };
    assert!(success && last.contains("99 %"), "{last}");
}

#[test]
fn a_bad_configuration_of_opentelemetry_ends_it_with_the_reason() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    let command = command.args(["--otel", "--seconds", "60"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:14268");
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("--otel: ") && words.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{words}");
}

#[test]
fn spans_that_no_collector_takes_are_in_the_report_and_the_load_does_not_notice() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    // Nobody listens there: it is no port that is given to whoever asks for any.
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let (last, success) = Shop::of(command.args(["--otel", "--rate", "100", "--seconds", "1", "--json"])).end();
    assert!(success);
    let report: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(report["failed"], 0, "{report}");
    let spans = |which: &str| report["spans"][which].as_u64().expect("a count");
    assert!(spans("ended") >= 20, "{report}");
    assert_eq!((spans("exported"), spans("pending")), (0, 0), "{report}");
    assert_eq!(spans("ended"), spans("failed") + spans("dropped"), "{report}");
}

#[test]
fn a_command_line_that_is_not_understood_is_answered_with_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_shop")).arg("--rates").output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("--rates") && words.contains("--plugins DIR"), "{words}");
}
