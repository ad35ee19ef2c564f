//! A real OpenTelemetry collector, rotel, which prints what it gets; what is read here is what it printed.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;

use super::orders::LAST;
use super::peers::{Server, free_address, until};
use super::tree::Span;

/// A running collector. Ended when dropped; what it printed is shown if the test failed.
pub(crate) struct Rotel {
    /// Ended before its files are removed: fields are dropped in this order.
    server: Server,
    http: SocketAddr,
    grpc: SocketAddr,
    _directory: tempfile::TempDir,
}

/// A series of a histogram.
pub(crate) struct Series {
    /// The metric's name and unit: `rpc.server.call.duration in s`.
    pub(crate) metric: String,
    pub(crate) attributes: BTreeMap<String, Value>,
    pub(crate) count: u64,
}

impl Rotel {
    /// Starts one that prints `traces` or `metrics`.
    pub(crate) fn start(prints: &str) -> Self {
        let program = fixtures::peer("HOTTAP_TEST_COLLECTOR");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [http, grpc] = [(); 2].map(|()| free_address());
        let mut command = Command::new(program);
        command
            .args(["start", "--exporter", "blackhole", "--debug-log", prints, "--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &http.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()]);
        let server = Server::start(&mut command, directory.path());
        until("the collector listens", || TcpStream::connect(http).and_then(|_| TcpStream::connect(grpc)).ok());
        Self { server, http, grpc, _directory: directory }
    }

    /// Where it takes OTLP by this protocol, as `OTEL_EXPORTER_OTLP_PROTOCOL` names it.
    pub(crate) fn endpoint(&self, protocol: &str) -> String {
        format!("http://{}", if protocol == "grpc" { self.grpc } else { self.http })
    }

    /// The spans of all calls but the last, each with the `service.name` of its resource.
    pub(crate) fn spans(&self) -> Vec<(String, Span)> {
        let printed = until("the collector has printed the last span", || {
            Some(self.server.log()).filter(|printed| printed.contains(&format!("Str({LAST})")))
        });
        let resources = printed.split("\nResourceSpans #").skip(1).flat_map(|resource| {
            let (head, spans) = resource.split_once("\nSpan #").expect("no resource comes without spans");
            let service = text(&attributes(head), "service.name");
            spans.split("\nSpan #").map(move |span| (service.clone(), read(span))).collect::<Vec<_>>()
        });
        resources.filter(|(_, span)| span.text("rpc.method") != LAST).collect()
    }

    /// All series of the histograms whose names begin so, once there are so many. Each export has them again.
    pub(crate) fn histograms(&self, prefix: &str, count: usize) -> Vec<Series> {
        until("the collector has printed the metrics", || {
            let printed = self.server.log();
            let metrics = printed.split("\nMetric #").skip(1).flat_map(|metric| {
                let (head, points) = metric.split_once("\nHistogramDataPoints #").unwrap_or((metric, ""));
                // What has not been printed to its end is read the next time: a metric, or a point to its last bucket.
                let metric = found(head, "-> Name").zip(found(head, "-> Unit"));
                let metric = metric.map(|(name, unit)| format!("{name} in {unit}")).unwrap_or_default();
                let whole = points.split("\nHistogramDataPoints #").filter(|point| point.contains("\nBuckets #14"));
                let point = move |point: &str| {
                    let count = field(point, "Count").parse().expect("a count");
                    Series { metric: metric.clone(), attributes: attributes(point), count }
                };
                whole.map(point).collect::<Vec<_>>()
            });
            let series = metrics.filter(|series| series.metric.starts_with(prefix));
            Some(series.collect::<Vec<_>>()).filter(|series| series.len() >= count)
        })
    }
}

fn read(span: &str) -> Span {
    let attributes = attributes(span);
    Span {
        trace: field(span, "Trace ID").to_owned(),
        id: field(span, "ID").to_owned(),
        parent: field(span, "Parent ID").to_owned(),
        name: field(span, "Name").to_owned(),
        side: match field(span, "Kind") {
            "SPAN_KIND_CLIENT" => Some("client"),
            "SPAN_KIND_SERVER" => Some("server"),
            other => panic!("it is of the kind {other}: {span}"),
        },
        is_error: span.contains(": STATUS_CODE_ERROR\n"),
        attributes,
        started: field(span, "Start time").parse().expect("a number"),
        ended: field(span, "End time").parse().expect("a number"),
    }
}

/// What stands behind `name:` at the beginning of a line.
fn found<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.trim_start().strip_prefix(':')).map(str::trim)
}

#[track_caller]
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    found(text, name).unwrap_or_else(|| panic!("there is no {name:?}: {text}"))
}

/// All `-> key: Str(value)` and `-> key: Int(value)`; the fields of a metric look alike and have no type.
fn attributes(text: &str) -> BTreeMap<String, Value> {
    let pairs = text.lines().filter_map(|line| {
        let (key, typed) = line.trim_start().strip_prefix("-> ")?.split_once(": ")?;
        let (kind, value) = typed.strip_suffix(')')?.split_once('(')?;
        let value = match kind {
            "Str" => Value::from(value),
            "Int" => Value::from(value.parse::<i64>().ok()?),
            _ => return None,
        };
        Some((key.to_owned(), value))
    });
    pairs.collect()
}

fn text(attributes: &BTreeMap<String, Value>, key: &str) -> String {
    attributes.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
