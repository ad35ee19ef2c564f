//! Export over OTLP to collectors that are well, slow, gone, or no collectors: what arrives, and what is counted.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use hottap::Hottap;
use hottap::otel::{ConfigError, Counts, Otel};
use hottap::rpc::Side;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use crate::collector::{Collector, Manner};
use crate::log;

/// Spans go when somebody asks for it, and at no other time.
pub(crate) const ON_DEMAND: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "3600000");

/// Set up by these variables, beside those that make a test quick.
pub(crate) fn set_up(variables: &[(&str, &str)]) -> Result<Otel, ConfigError> {
    let quick =
        [("OTEL_BSP_SCHEDULE_DELAY", "10"), ("OTEL_METRICS_EXPORTER", "none"), ("OTEL_SERVICE_NAME", "checkout")];
    let table: Vec<_> =
        variables.iter().chain(&quick).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Otel::with_variables(move |name| table.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
}

pub(crate) fn at(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

/// So many calls that are traced and go well.
pub(crate) fn calls(otel: &Otel, count: usize) {
    let tap = Hottap::builder().tracer(otel.spans()).tracer(otel.metrics()).start().expect("starts");
    for _ in 0..count {
        tap.start_call(Side::Endpoint, "place_order").expect("wanted").finish();
    }
}

/// Each term is its own, and together they are all.
#[track_caller]
pub(crate) fn assert_counts(otel: &Otel, expected: &[(&str, u64)]) {
    let counts = otel.counts();
    let Counts { ended, exported, rejected, failed, dropped, pending, .. } = counts;
    assert_eq!(ended, exported + rejected + failed + dropped + pending, "{counts:?}");
    let all = [
        ("ended", ended),
        ("exported", exported),
        ("rejected", rejected),
        ("failed", failed),
        ("dropped", dropped),
        ("pending", pending),
    ];
    for (name, value) in all {
        let expected = expected.iter().find(|(key, _)| *key == name).map_or(0, |(_, value)| *value);
        assert_eq!(value, expected, "{name} of {counts:?}");
    }
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(is: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < patience);
        std::thread::yield_now();
    }
}

/// Waits until the counts are so.
#[track_caller]
pub(crate) fn settle(otel: &Otel, is: impl Fn(Counts) -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is(otel.counts()) {
        assert!(Instant::now() < patience, "{:?}", otel.counts());
        std::thread::yield_now();
    }
}

#[test]
fn spans_arrive_over_http_and_over_grpc_with_the_resource_and_the_headers() {
    for (protocol, path) in
        [("http/protobuf", "/v1/traces"), ("grpc", "/opentelemetry.proto.collector.trace.v1.TraceService/Export")]
    {
        let collector = Collector::start(Manner::Takes);
        let otel = set_up(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme%20inc"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
        ])
        .expect("valid");
        calls(&otel, 100);
        assert!(otel.flush(), "{protocol}");
        calls(&otel, 1);
        assert!(otel.shutdown(Duration::from_secs(10)), "what waits is sent at shutdown");
        assert_eq!(collector.spans(), vec!["place_order"; 101]);
        assert_counts(&otel, &[("ended", 101), ("exported", 101)]);
        let traces = collector.traces();
        let resource = traces[0].resource_spans[0].resource.as_ref().expect("it has one");
        let said = |key: &str| {
            let attribute = resource.attributes.iter().find(|attribute| attribute.key == key)?;
            match attribute.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => Some(text.as_str()),
                _ => None,
            }
        };
        assert_eq!((said("service.name"), said("deployment.environment.name")), (Some("checkout"), Some("test")));
        for (asked, headers) in collector.heads() {
            assert_eq!(asked, path);
            assert_eq!(headers.get("x-tenant").expect("sent"), "acme inc");
        }
        for request in &traces {
            let count: usize = request.resource_spans[0].scope_spans.iter().map(|scope| scope.spans.len()).sum();
            assert!(count <= 16, "a batch is no larger than it may be: {count}");
        }
        // A span after shutdown is nobody's.
        calls(&otel, 1);
        assert_eq!(otel.counts().exported, 101);
    }
}

#[test]
fn metrics_arrive_with_the_same_resource() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start(Manner::Takes);
        let otel = set_up(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_METRICS_EXPORTER", "otlp"),
        ])
        .expect("valid");
        calls(&otel, 3);
        assert!(otel.flush(), "{protocol}");
        let metrics = collector.metrics();
        let mut all = metrics[0].resource_metrics[0].scope_metrics.iter().flat_map(|scope| &scope.metrics);
        let metric = all.find(|metric| metric.name == "endpoint.call.duration").expect("it is there");
        assert_eq!(metric.unit, "s");
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
        assert_eq!(histogram.data_points[0].count, 3);
        let spans = collector.traces();
        assert_eq!(metrics[0].resource_metrics[0].resource, spans[0].resource_spans[0].resource);
        otel.shutdown(Duration::from_secs(10));
    }
}

#[test]
fn what_a_collector_refuses_is_counted_by_itself() {
    let collector = Collector::start(Manner::Refuses(3));
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)), ON_DEMAND]).expect("valid");
    calls(&otel, 10);
    assert!(!otel.shutdown(Duration::from_secs(10)));
    let counts = otel.counts();
    assert_eq!((counts.exported + counts.rejected, counts.failed, counts.dropped), (10, 0, 0), "{counts:?}");
    assert_eq!(counts.rejected, 3 * collector.attempts().min(3), "three of each batch: {counts:?}");
}

#[test]
fn a_collector_that_is_gone_costs_its_spans_and_one_line_in_the_log_and_then_it_goes_on() {
    log::keep();
    let address = {
        let gone = Collector::start(Manner::Takes);
        gone.address
    };
    // It is gone when nobody listens any more.
    while std::net::TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(address)), ("OTEL_BSP_EXPORT_TIMEOUT", "50"), ON_DEMAND])
        .expect("valid");
    for round in 1..=20 {
        calls(&otel, 5);
        assert!(!otel.flush());
        assert_eq!(otel.counts().failed, round * 5);
    }
    assert_counts(&otel, &[("ended", 100), ("failed", 100)]);
    assert_eq!(log::lines(&address.to_string()).len(), 1, "{:?}", log::lines(&address.to_string()));

    let collector = Collector::at(address);
    calls(&otel, 5);
    assert!(otel.flush(), "it is there again");
    assert_eq!(collector.spans().len(), 5);
    assert_counts(&otel, &[("ended", 105), ("failed", 100), ("exported", 5)]);
    let lines = log::lines(&address.to_string());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("again") && lines[1].contains("lost=100"), "{lines:?}");
    otel.shutdown(Duration::from_secs(10));
}

#[test]
fn a_collector_that_is_busy_is_asked_again_and_nothing_is_lost() {
    let collector = Collector::start(Manner::Answers(503));
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address))]).expect("valid");
    calls(&otel, 5);
    until(|| collector.attempts() >= 2);
    collector.behave(Manner::Takes);
    settle(&otel, |counts| counts.exported == 5);
    assert_counts(&otel, &[("ended", 5), ("exported", 5)]);
    otel.shutdown(Duration::from_secs(10));
}

#[test]
fn a_collector_that_hangs_fills_the_queue_and_the_rest_is_dropped_and_counted() {
    let collector = Collector::start(Manner::Hangs);
    let otel = set_up(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &at(collector.address)),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ])
    .expect("valid");
    calls(&otel, 8);
    until(|| collector.attempts() > 0);
    // The first batch, whatever is in it, is under way; as many as the queue holds wait beside it.
    let began = Instant::now();
    calls(&otel, 100);
    assert!(began.elapsed() < Duration::from_secs(5), "no call waits for the collector");
    let counts = otel.counts();
    assert_eq!(counts.ended, 108);
    assert!(counts.dropped >= 92 && counts.pending <= 16, "{counts:?}");
    let began = Instant::now();
    assert!(!otel.shutdown(Duration::from_millis(200)));
    assert!(began.elapsed() < Duration::from_secs(5), "it does not wait for ever");
    let counts = otel.counts();
    assert_eq!((counts.pending, counts.exported, counts.rejected), (0, 0, 0), "{counts:?}");
    assert_eq!(counts.failed + counts.dropped, 108, "{counts:?}");
}

#[test]
fn what_is_no_collector_gets_every_span_once() {
    for (protocol, manner) in [
        ("http/protobuf", Manner::Babbles),
        ("grpc", Manner::Babbles),
        ("http/protobuf", Manner::Answers(404)),
        ("http/protobuf", Manner::Answers(500)),
        ("grpc", Manner::Answers(404)),
    ] {
        let other = Collector::start(manner);
        let otel =
            set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(other.address)), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)])
                .expect("valid");
        calls(&otel, 1);
        settle(&otel, |counts| counts.failed == 1);
        assert_eq!(other.attempts(), 1, "{protocol} {manner:?}: it is not asked again");
        otel.shutdown(Duration::from_secs(10));
        assert_counts(&otel, &[("ended", 1), ("failed", 1)]);
    }
}

#[test]
fn who_speaks_another_protocol_is_told_from_who_is_gone() {
    log::keep();
    // What servers of the other protocol say first: HTTP/2's settings, and HTTP/1.1's refusal.
    let settings = &[0, 0, 0, 4, 0, 0, 0, 0, 0][..];
    for (protocol, said) in [("http/protobuf", settings), ("grpc", b"HTTP/1.1 400 Bad Request\r\n\r\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                // The peer may be gone; its request is read, so that closing it takes nothing back.
                let mut connection = connection.expect("a connection");
                let _ = connection.read(&mut [0; 4096]).and_then(|_| connection.write_all(said));
            }
        });
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*at(address)), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        let otel = set_up(&variables).expect("valid");
        calls(&otel, 1);
        until(|| !log::lines(&address.to_string()).is_empty());
        let lines = log::lines(&address.to_string());
        assert!(lines[0].contains(&format!("look at its protocol, which is to be {protocol}")), "{lines:?}");
        otel.shutdown(Duration::ZERO);
    }
}

#[test]
fn a_connection_that_was_closed_in_the_meantime_costs_nothing() {
    let first = Collector::start(Manner::Takes);
    let address = first.address;
    let otel = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &at(address))]).expect("valid");
    calls(&otel, 1);
    assert!(otel.flush());
    drop(first);
    while std::net::TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    let second = Collector::at(address);
    calls(&otel, 1);
    assert!(otel.flush());
    assert_eq!(second.spans().len(), 1);
    assert_counts(&otel, &[("ended", 2), ("exported", 2)]);
    otel.shutdown(Duration::from_secs(10));
}

#[test]
fn nothing_is_made_where_it_is_disabled_and_nothing_sent_where_there_is_no_exporter() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = at(collector.address);
    let disabled = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_SDK_DISABLED", "true")]).expect("valid");
    let none = set_up(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_TRACES_EXPORTER", "none")]).expect("valid");
    for otel in [disabled, none] {
        calls(&otel, 3);
        otel.flush();
        otel.shutdown(Duration::from_secs(1));
        assert_counts(&otel, &[]);
    }
    assert_eq!(collector.attempts(), 0);
}

/// As `set_up`, where no variable is ignored.
fn set_up_strictly(variables: &[(&str, &str)]) -> Result<Otel, ConfigError> {
    let table: Vec<_> = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Otel::with_variables_strict(move |name| table.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
}

#[test]
fn a_bad_variable_is_warned_of_and_ignored_and_strictly_an_error() {
    log::keep();
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "none"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
        ("OTEL_SDK_DISABLED", "perhaps"),
    ] {
        let collector = Collector::start(Manner::Takes);
        let endpoint = at(collector.address);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str());
        let otel = set_up(&[endpoint, (variable, value)]).expect("the service starts");
        calls(&otel, 3);
        assert!(otel.shutdown(Duration::from_secs(10)), "{variable}");
        assert_eq!(collector.spans().len(), 3, "{variable}: spans go as if it were not set");
        let [problem] = otel.ignored() else { panic!("{:?}", otel.ignored()) };
        let problem = problem.to_string();
        assert!(problem.contains(variable) && !problem.contains(value), "{problem}");
        assert!(!log::with(&format!("{problem}; meanwhile it is ignored")).is_empty(), "{problem}");
        let error = set_up_strictly(&[endpoint, (variable, value)]).expect_err(variable).to_string();
        assert_eq!(error, problem);
    }
    let error = set_up_strictly(&[("OTEL_PROPAGATORS", "tracecontext,xray")]).expect_err("xray").to_string();
    assert!(error.contains("OTEL_PROPAGATORS") && error.contains("b3multi"), "{error}");
    let otel = set_up_strictly(&[("OTEL_TRACES_SAMPLER", "always_off")]).expect("valid");
    assert!(otel.ignored().is_empty());
}

#[test]
fn where_spans_go_is_never_guessed() {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:14268"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
    ] {
        let error = set_up(&[(variable, value)]).expect_err("it can't be used").to_string();
        assert!(error.contains(variable) && !error.contains(value), "{error}");
    }
}
