//! A real Prometheus reads the admin port, and its own checker the page.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use hottap::Hottap;
use hottap::rpc::{Protocol, Side};
use serde_json::Value;

use crate::guests::built;
use crate::house::House;
use crate::peers::{Server, free_address, get, program, until};

struct Prometheus {
    _server: Server,
    address: SocketAddr,
}

impl Prometheus {
    fn start(program: &Path, directory: &Path, scrapes: SocketAddr) -> Self {
        let address = free_address();
        let configuration = directory.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{scrapes}']}}]}}]\n"
        );
        std::fs::write(&configuration, text).expect("written");
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"));
        Self { _server: Server::start(&mut command, directory), address }
    }

    /// The value of a query that has one.
    fn value(&self, query: &str) -> Option<f64> {
        let body = get(self.address, &format!("/api/v1/query?query={query}"))?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
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
    until("the tracer goes live", || (tap.tracers()["tracers"][0]["state"] == "live").then_some(()));
    for _ in 0..1_234 {
        let mut call = tap.start_call(Side::Server, "shop.v1.Checkout/Place").expect("wanted");
        call.set_protocol(Protocol::Grpc);
        call.set_rpc_status(0);
        call.finish();
    }
    until("Prometheus has every call", || {
        let counted = prometheus.value("sum(rpc_server_call_duration_seconds_count)")?;
        let committed = prometheus.value("hottap_calls_committed_total")?;
        (counted == 1_234.0 && committed == 1_234.0).then_some(())
    });
    until("Prometheus scrapes without an error", || prometheus.value("up").filter(|up| *up == 1.0));
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
