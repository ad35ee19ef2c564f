//! What flushing, shutting down and dropping promise: true words about what arrived, in time, and nothing uncounted.

use std::time::{Duration, Instant};

use hottap::Hottap;
use hottap::rpc::Side;

use crate::collector::{Collector, Manner};
use crate::export::{ON_DEMAND, assert_counts, at, calls, set_up, until};
use crate::log;

#[test]
fn a_batch_that_was_under_way_and_is_lost_is_told_of_by_who_waits_for_it() {
    for flush in [true, false] {
        let collector = Collector::start(Manner::Answers(503));
        let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address))]).expect("valid");
        calls(&otel, 1);
        // The span is tried, and waits for its next turn; the queue is empty.
        until(|| collector.attempts() > 0);
        let well = if flush { otel.flush() } else { otel.shutdown(Duration::from_secs(10)) };
        assert!(!well, "it was lost");
        assert_counts(&otel, &[("ended", 1), ("failed", 1)]);
        collector.behave(Manner::Takes);
        if flush {
            calls(&otel, 1);
            assert!(otel.flush(), "what was lost before is not lost now");
            assert!(otel.shutdown(Duration::from_secs(10)));
        }
        assert!(!otel.shutdown(Duration::from_secs(10)), "it was shut down before");
    }
}

#[test]
fn a_span_that_was_tried_has_failed_however_little_time_is_left_for_it() {
    log::keep();
    let collector = Collector::start(Manner::Answers(503));
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address))]).expect("valid");
    calls(&otel, 1);
    // It was tried, and waits for its next turn.
    until(|| !log::lines(&collector.address.to_string()).is_empty());
    assert!(!otel.shutdown(Duration::ZERO));
    assert_counts(&otel, &[("ended", 1), ("failed", 1)]);
}

#[test]
fn metrics_that_are_never_sent_are_told_of_whatever_was_sent_before() {
    let collector = Collector::start(Manner::Takes);
    let variables = [("OTEL_METRICS_EXPORTER", "otlp"), ("OTEL_TRACES_EXPORTER", "none")];
    let endpoint = at(collector.address);
    let otel =
        set_up(&[&variables[..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]].concat()).expect("valid");
    calls(&otel, 1);
    assert!(otel.flush());
    calls(&otel, 1);
    assert!(!otel.shutdown(Duration::ZERO), "there was no time for the second");
    assert!(!otel.shutdown(Duration::from_secs(10)), "it was shut down before");
}

#[test]
fn a_span_that_ends_after_the_shutdown_is_counted_as_dropped() {
    let collector = Collector::start(Manner::Takes);
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address))]).expect("valid");
    let tap = Hottap::builder().tracer(otel.spans()).start().expect("starts");
    let open = tap.start_call(Side::Server, "shop.v1.Checkout/Watch").expect("wanted");
    assert!(otel.shutdown(Duration::from_secs(10)));
    open.finish();
    assert_counts(&otel, &[("ended", 1), ("dropped", 1)]);
}

#[test]
fn a_collector_of_spans_that_hangs_takes_no_time_from_that_of_metrics() {
    let (spans, metrics) = (Collector::start(Manner::Hangs), Collector::start(Manner::Takes));
    let otel = set_up(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &at(spans.address)),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &at(metrics.address)),
        ("OTEL_METRICS_EXPORTER", "otlp"),
    ])
    .expect("valid");
    calls(&otel, 3);
    // All of it is needed by the collector that hangs.
    assert!(!otel.shutdown(Duration::from_secs(3)));
    assert_eq!(metrics.metrics().len(), 1);
    let counts = otel.counts();
    assert_eq!((counts.failed + counts.dropped, counts.pending), (3, 0), "{counts:?}");
}

#[test]
fn a_collector_of_metrics_that_hangs_does_not_hold_up_a_shutdown() {
    let collector = Collector::start(Manner::Hangs);
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)), ("OTEL_METRICS_EXPORTER", "otlp")])
        .expect("valid");
    calls(&otel, 1);
    let began = Instant::now();
    assert!(!otel.shutdown(Duration::from_millis(100)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn dropping_it_waits_for_nobody() {
    let collector = Collector::start(Manner::Hangs);
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)), ("OTEL_METRICS_EXPORTER", "otlp")])
        .expect("valid");
    calls(&otel, 3);
    until(|| collector.attempts() > 0);
    let began = Instant::now();
    drop(otel);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_queue_that_overflows_again_and_again_is_one_line_in_the_log() {
    log::keep();
    let collector = Collector::start(Manner::Takes);
    let otel =
        set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)), ("OTEL_BSP_MAX_QUEUE_SIZE", "1"), ON_DEMAND])
            .expect("valid");
    // Ten times too many come, and ten times what waited is taken after that.
    for _ in 0..10 {
        until(|| {
            calls(&otel, 100);
            otel.counts().dropped > 0
        });
        let _ = otel.flush();
    }
    let counts = otel.counts();
    assert!(counts.exported >= 10 && counts.dropped > 0, "{counts:?}");
    let lines = log::lines(&collector.address.to_string());
    assert!(lines.len() <= 2, "{lines:?}");
    assert!(lines[0].contains("OTEL_BSP_MAX_QUEUE_SIZE"), "{lines:?}");
}

#[test]
fn a_collector_says_why_it_refuses_some() {
    log::keep();
    let collector = Collector::start(Manner::Refuses(1));
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)), ON_DEMAND]).expect("valid");
    calls(&otel, 2);
    assert!(!otel.shutdown(Duration::from_secs(10)));
    let lines = log::lines(&collector.address.to_string());
    assert!(lines.len() == 1 && lines[0].contains("too old"), "{lines:?}");
}

#[test]
fn a_page_without_end_is_no_answer_and_nothing_is_sent_twice() {
    for manner in [Manner::Lengthy(200), Manner::Lengthy(503)] {
        let other = Collector::start(manner);
        let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(other.address)), ON_DEMAND]).expect("valid");
        for round in 1..=2 {
            calls(&otel, 1);
            assert!(!otel.flush());
            assert_eq!(other.attempts(), round, "{manner:?}");
        }
        otel.shutdown(Duration::from_secs(10));
        assert_counts(&otel, &[("ended", 2), ("failed", 2)]);
    }
}
