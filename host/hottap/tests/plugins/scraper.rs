//! Programs that scrape the admin port as Prometheus does, and are asked in its language for what they have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use hottap::Hottap;
use hottap::rpc::{Protocol, Side};
use serde_json::Value;

use crate::peers::{Server, free_address, get, until};

/// A running one.
struct Scraper {
    _server: Server,
    address: SocketAddr,
}

/// Where one is to listen, what it is to scrape, and where its files go.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// In Prometheus' form: every second the admin port.
    pub(crate) configuration: PathBuf,
    pub(crate) data: PathBuf,
}

impl Scraper {
    fn start(directory: &Path, scrapes: SocketAddr, command: impl FnOnce(&Place) -> Command) -> Self {
        let place = Place {
            address: free_address(),
            configuration: directory.join("scrape.yml"),
            data: directory.join("data"),
        };
        let target = format!("job_name: shop, static_configs: [{{targets: ['{scrapes}']}}]");
        let text = format!("global: {{scrape_interval: 1s}}\nscrape_configs: [{{{target}}}]\n");
        std::fs::write(&place.configuration, text).expect("written");
        Self { _server: Server::start(&mut command(&place), directory), address: place.address }
    }

    /// The value of a query that has one.
    fn value(&self, query: &str) -> Option<f64> {
        let body = get(self.address, &format!("/api/v1/query?query={query}"))?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

/// A service makes calls, and the scraper that is started so counts them all.
pub(crate) fn reads_what_the_service_did(command: impl FnOnce(&Place) -> Command) {
    let module = fixtures::guest("red-metrics.wasm");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let plugins = directory.path().join("plugins");
    std::fs::create_dir(&plugins).expect("made");
    std::fs::write(plugins.join("red-metrics.wasm"), module).expect("written");
    let tap = Hottap::builder().service("shop").plugin_dir(&plugins).admin("127.0.0.1:0").start().expect("it starts");
    let admin = tap.admin_address().expect("it listens");
    let scraper = Scraper::start(directory.path(), admin, command);
    until("the tracer goes live", || (tap.tracers()["tracers"][0]["state"] == "live").then_some(()));
    for _ in 0..1_234 {
        let mut call = tap.start_call(Side::Server, "shop.v1.Checkout/Place").expect("wanted");
        call.set_protocol(Protocol::Grpc);
        call.set_rpc_status(0);
        call.finish();
    }
    until("it has every call", || {
        let counted = scraper.value("sum(rpc_server_call_duration_seconds_count)")?;
        let committed = scraper.value("hottap_calls_committed_total")?;
        (counted == 1_234.0 && committed == 1_234.0).then_some(())
    });
    until("it scrapes without an error", || scraper.value("up").filter(|up| *up == 1.0));
}
