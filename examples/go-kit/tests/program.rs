//! The program itself: its two spans at a collector, natively and by a plugin, and what it does when it can't export.

#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

/// A module may have to be compiled first, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A collector that takes everything.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Its address.
    fn listen(&self) -> String {
        let (kept, (tell, told)) = (self.0.clone(), std::sync::mpsc::channel());
        let take = move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).expect("a request");
            let scopes = request.resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
            kept.lock().expect("not poisoned").extend(scopes.flat_map(|scope| scope.spans));
            std::future::ready(())
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("starts");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("binds");
                tell.send(listener.local_addr().expect("bound")).expect("somebody waits");
                axum::serve(listener, Router::new().route("/v1/traces", post(take))).await.expect("serves");
            });
        });
        format!("http://{}", told.recv().expect("it binds"))
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// The program, killed if a test fails.
struct Program(Child);

impl Program {
    /// Starts it; its address.
    fn start(command: &mut Command) -> (Self, String) {
        let mut program = Self(command.args(["--port", "0"]).stdout(Stdio::piped()).spawn().expect("it runs"));
        let stdout = program.0.stdout.take().expect("piped");
        let line = BufReader::new(stdout).lines().next().expect("a line").expect("text");
        let address = line.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/hello")).expect("an address");
        (program, address.to_owned())
    }

    fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it still runs");
    }

    /// Ends it as a supervisor does.
    fn end(mut self) {
        self.terminate();
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hello(address: &str) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: hello\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("Hello, World!"), "{answer}");
}

/// The router's span is a root, and the endpoint's is its child.
#[track_caller]
fn assert_two(spans: &[Span]) {
    let span = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{spans:#?}"));
    let (router, endpoint) = (span("GET /hello"), span("hello"));
    assert_eq!(spans.len(), 2);
    assert_eq!((router.kind(), endpoint.kind()), (SpanKind::Server, SpanKind::Internal));
    assert_eq!((&endpoint.trace_id, &endpoint.parent_span_id), (&router.trace_id, &router.span_id));
    assert!(router.parent_span_id.is_empty());
}

#[test]
fn a_request_is_two_spans_at_a_collector() {
    let collector = Collector::default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_go-kit"));
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.listen()).env("OTEL_METRICS_EXPORTER", "none");
    let (program, address) = Program::start(&mut command);
    hello(&address);
    program.end();
    let spans = collector.spans();
    assert_two(&spans);
    let has = |key| spans.iter().flat_map(|span| &span.attributes).any(|attribute| attribute.key == key);
    assert!(has("client.address") && has("network.peer.port"), "{spans:#?}");
}

#[test]
fn a_request_that_does_not_come_to_its_end_does_not_keep_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_go-kit"));
    command.env("OTEL_TRACES_EXPORTER", "none").env("OTEL_METRICS_EXPORTER", "none");
    let (mut program, address) = Program::start(&mut command);
    let mut half = TcpStream::connect(address).expect("it listens");
    half.write_all(b"GET /hello HTTP/1.1\r\nHost:").expect("sent");
    let began = Instant::now();
    let status = loop {
        program.terminate();
        if let Some(status) = program.0.try_wait().expect("it is ours") {
            break status;
        }
        assert!(began.elapsed() < PATIENCE, "it goes on");
        std::thread::park_timeout(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
}

#[cfg(feature = "plugins")]
#[test]
fn a_plugin_makes_the_same_two() {
    let module = fixtures::guest("rpc-span.wasm");
    let collector = Collector::default();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let plugins = directory.path().join("plugins");
    std::fs::create_dir(&plugins).expect("made");
    let manifest = "destinations = [\"otlp\"]\n[scope]\nsides = [\"server\", \"endpoint\"]\n\
        [config]\nmethod_names = true\n";
    std::fs::write(plugins.join("rpc-span.toml"), manifest).expect("written");
    std::fs::write(plugins.join("rpc-span.wasm"), module).expect("written");
    let config = directory.path().join("hottap.toml");
    let url = format!("{}/v1/traces", collector.listen());
    std::fs::write(&config, format!("[destinations.otlp]\nurl = {url:?}\ntracers = [\"rpc-span\"]\n"))
        .expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_go-kit"));
    command.arg("--plugins").arg(&plugins).env("HOTTAP_CONFIG", config);
    let (program, address) = Program::start(&mut command);
    // It is loaded while the program serves: requests before that have no spans, and later ones two each.
    let began = Instant::now();
    while collector.spans().is_empty() {
        hello(&address);
        assert!(began.elapsed() < PATIENCE, "the plugin makes no span");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    program.end();
    let spans = collector.spans();
    let last = spans.last().expect("there is one").trace_id.clone();
    assert_two(&spans.into_iter().filter(|span| span.trace_id == last).collect::<Vec<_>>());
}

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
