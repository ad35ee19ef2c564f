//! Collectors that take what is sent and say so in their own way: what is counted, and what the log says.

use crate::collector::{Collector, Manner};
use crate::export::{ON_DEMAND, assert_counts, at, calls, set_up};
use crate::log;

#[test]
fn what_a_collector_has_taken_is_exported_whatever_it_answers_in() {
    for (media, text) in [
        ("application/json", "{}"),
        ("application/json; charset=utf-8", r#"{"partialSuccess":{}}"#),
        ("text/plain", "OK"),
        ("application/x-protobuf", ""),
    ] {
        let collector = Collector::start(Manner::Says(media, text));
        let endpoint = at(collector.address);
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_METRICS_EXPORTER", "otlp"), ON_DEMAND];
        let otel = set_up(&variables).expect("valid");
        calls(&otel, 3);
        assert!(otel.flush(), "{media}: {:?}", otel.counts());
        assert_eq!(collector.spans().len(), 3, "{media}: each was sent once");
        assert_counts(&otel, &[("ended", 3), ("exported", 3)]);
        assert_eq!(otel.metric_counts().failed, 0, "{media}");
    }
}

#[test]
fn what_a_collector_refuses_in_json_is_rejected() {
    let said = r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#;
    let collector = Collector::start(Manner::Says("application/json", said));
    let endpoint = at(collector.address);
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ON_DEMAND]).expect("valid");
    calls(&otel, 3);
    assert!(!otel.flush());
    assert_counts(&otel, &[("ended", 3), ("exported", 1), ("rejected", 2)]);
}

#[test]
fn a_warning_of_a_collector_that_takes_everything_is_told_once() {
    log::keep();
    let said = r#"{"partialSuccess":{"errorMessage":"attribute http.method is deprecated"}}"#;
    let collector = Collector::start(Manner::Says("application/json", said));
    let endpoint = at(collector.address);
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ON_DEMAND]).expect("valid");
    for _ in 0..3 {
        calls(&otel, 1);
        assert!(otel.flush(), "nothing is lost");
    }
    assert_counts(&otel, &[("ended", 3), ("exported", 3)]);
    let lines = log::lines(&collector.address.to_string());
    assert!(matches!(&*lines, [line] if line.contains("http.method is deprecated")), "{lines:#?}");
}
