//! A real Prometheus reads the admin port, and its own checker the page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hottap::Hottap;
use hottap::rpc::{Protocol, Side};
use serde_json::Value;

use crate::guests::built;
use crate::house::House;

/// A program that `cargo xtask test` found. None, and a line that says so, if it did not.
fn program(test: &str, variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        assert!(std::env::var("HOTTAP_TEST_REAL").as_deref() != Ok("1"), "{variable} is not set");
        println!("skipped: {test}: {variable} is not set; run cargo xtask test --real");
    }
    found
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Ended when dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(program: &Path, directory: &Path, scrapes: SocketAddr) -> Self {
        // Free a moment ago; if somebody takes it in between, Prometheus ends and the test says so.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
        let configuration = directory.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{scrapes}']}}]}}]\n"
        );
        std::fs::write(&configuration, text).expect("written");
        let child = Command::new(program)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prometheus starts");
        Self { child, address }
    }

    /// The value of a query that has one.
    fn value(&self, query: &str) -> Option<f64> {
        let body = get(self.address, &format!("/api/v1/query?query={query}"))?;
        // A short answer comes in one chunk, between lines with its length.
        let body = body.lines().find(|line| line.starts_with('{'))?;
        let answer: Value = serde_json::from_str(body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_reads_what_the_service_did() {
    let test = "prometheus_reads_what_the_service_did";
    let Some(module) = built(test, "red-metrics.wasm") else { return };
    let Some(program) = program(test, "HOTTAP_TEST_PROMETHEUS") else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let plugins = directory.path().join("plugins");
    std::fs::create_dir(&plugins).expect("made");
    std::fs::write(plugins.join("red-metrics.wasm"), module).expect("written");
    let tap = Hottap::builder().service("shop").plugin_dir(&plugins).admin("127.0.0.1:0").start().expect("it starts");
    let admin = tap.admin_address().expect("it listens");
    let prometheus = Prometheus::start(&program, directory.path(), admin);
    let until = |what: &str, wanted: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !wanted() {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    };
    until("the tracer goes live", &|| tap.tracers()["tracers"][0]["state"] == "live");
    for _ in 0..1_234 {
        let mut call = tap.start_call(Side::Server, "shop.v1.Checkout/Place").expect("wanted");
        call.set_protocol(Protocol::Grpc);
        call.set_rpc_status(0);
        call.finish();
    }
    until("Prometheus has every call", &|| {
        prometheus.value("sum(rpc_server_call_duration_seconds_count)") == Some(1_234.0)
            && prometheus.value("hottap_calls_committed_total") == Some(1_234.0)
    });
    until("Prometheus scrapes without an error", &|| prometheus.value("up") == Some(1.0));
}

#[test]
fn promtool_finds_nothing_wrong_with_the_page() {
    let test = "promtool_finds_nothing_wrong_with_the_page";
    let Some(module) = built(test, "red-metrics.wasm") else { return };
    let Some(promtool) = program(test, "HOTTAP_TEST_PROMTOOL") else { return };
    let house = House::new();
    house.drop_in("red-metrics.wasm", module);
    house.drop_in("bad.wasm", "no wasm");
    house.until_live("red-metrics");
    house.call(Side::Server, "shop.v1.Checkout/Place", 14);
    house.settled("red-metrics", 1);
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    check.stdin.take().expect("piped").write_all(house.tap.metrics().as_bytes()).expect("written");
    let output = check.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
