//! The tracers in Rust and as modules see the same calls and report the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hottap::Hottap;
use serde_json::Value;

use crate::greeter::greet;
use crate::report::{Report, Total};

/// Compiling two small modules takes less than a second, also on a busy machine; nothing waits longer than it must.
const LIVE: Duration = Duration::from_secs(60);

fn until_live(tap: &Hottap, name: &str) {
    let began = Instant::now();
    let is_live = |tracers: &Value| {
        let tracers = tracers["tracers"].as_array().into_iter().flatten();
        tracers.into_iter().any(|tracer| tracer["name"] == name && tracer["state"] == "live")
    };
    while !is_live(&tap.tracers()) {
        assert!(began.elapsed() < LIVE, "{name} is not live: {:#}", tap.tracers());
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The value of the sample that stands before it on the metrics page.
fn sample(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// What a module reports under the same name for the same method.
fn reported(page: &str, what: &str, method: &str) -> Option<Total> {
    let series = |part: &str| match what {
        "cost" => format!("kitex_client_cost_seconds_{part}{{tracer=\"client-tracer\",method=\"{method}\"}}"),
        name => {
            format!("kitex_span_duration_seconds_{part}{{tracer=\"my-tracer\",name=\"{name}\",method=\"{method}\"}}")
        }
    };
    let (count, sum) = (sample(page, &series("count"))?, sample(page, &series("sum"))?);
    // Metrics are in seconds, floating: of a few seconds every nanosecond is still there.
    Some(Total { count: count as u64, sum: Duration::from_nanos((sum * 1e9).round() as u64) })
}

#[test]
fn native_tracers_and_modules_report_the_same() {
    let [client_tracer, my_tracer] = ["kitex-client-tracer.wasm", "kitex-my-tracer.wasm"].map(fixtures::guest);
    let plugins = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(plugins.path().join("client-tracer.wasm"), client_tracer).expect("written");
    std::fs::write(plugins.path().join("my-tracer.wasm"), my_tracer).expect("written");
    let tap = Hottap::builder().service("greeter").plugin_dir(plugins.path()).start().expect("Hottap starts");
    until_live(&tap, "client-tracer");
    until_live(&tap, "my-tracer");

    let native = Report::default();
    let runtime = tokio::runtime::Runtime::new().expect("tokio starts");
    runtime.block_on(greet(&tap, &native, 20)).expect("the greeter greets");
    assert!(tap.shutdown(LIVE), "the modules have flushed: {:#}", tap.tracers());

    let native = native.totals();
    let counts: Vec<_> = native.iter().map(|((what, method), total)| (*what, method.as_str(), total.count)).collect();
    let (hello, goodbye) = ("GET /hello/{name}", "GET /goodbye/{name}");
    assert_eq!(
        counts,
        [
            ("RPC call", goodbye, 10),
            ("RPC call", hello, 20),
            ("RPC handle", goodbye, 10),
            ("RPC handle", hello, 20),
            ("cost", goodbye, 10),
            ("cost", hello, 20),
        ]
    );
    let page = tap.metrics();
    let modules: BTreeMap<_, _> =
        native.keys().filter_map(|key| Some((key.clone(), reported(&page, key.0, &key.1)?))).collect();
    assert_eq!(modules, native, "{page}");
}
