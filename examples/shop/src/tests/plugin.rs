//! What the plugin rpc-span makes of the shop's calls, in a real collector.

use std::fs;

use hottap::Hottap;

use super::peers::until;
use super::rotel::Rotel;
use super::tree::drawn;
use super::{PATIENCE, orders};

/// The plugin does not ask for attempts; what they were called with is what the client's call has.
const ASKED_TWICE: &str = "\
client shop.v1.Checkout/Place OK
  server shop.v1.Checkout/Place OK
    client shop.v1.Inventory/Reserve OK
      server shop.v1.Inventory/Reserve OK
    client shop.v1.Pricing/Quote OK
      server shop.v1.Pricing/Quote UNAVAILABLE
      server shop.v1.Pricing/Quote OK
";

#[test]
#[ignore = "needs rotel"]
fn the_plugins_spans_of_an_order_are_one_tree_in_a_real_collector() {
    let guests = fixtures::guests();
    let collector = Rotel::start("traces");

    let directory = tempfile::tempdir().expect("a temporary directory");
    let (plugins, config) = (directory.path().join("plugins"), directory.path().join("hottap.toml"));
    let url = format!("{}/v1/traces", collector.endpoint("http/protobuf"));
    fs::write(&config, format!("[destinations.otlp]\nurl = \"{url}\"\ntracers = [\"rpc-span\"]\n")).expect("written");
    fs::create_dir(&plugins).expect("made");
    fs::write(plugins.join("rpc-span.toml"), "destinations = [\"otlp\"]\n").expect("written");
    fs::copy(guests.join("rpc-span.wasm"), plugins.join("rpc-span.wasm")).expect("copied");
    let tap = Hottap::builder().service("shop").plugin_dir(&plugins).config(&config).start().expect("it starts");
    let tracer = || tap.tracers()["tracers"][0].clone();
    until("rpc-span goes live and may send", || {
        let tracer = tracer();
        (tracer["state"] == "live" && tracer["destinations"]["otlp"] == "granted").then_some(())
    });

    orders::place(&tap);
    assert!(tap.shutdown(PATIENCE), "everything is flushed and delivered: {:#}", tap.destinations());
    let expected = ASKED_TWICE.lines().count() + orders::OUT_OF_STOCK.lines().count();
    let tracer = tracer();
    assert_eq!(tracer["committed"], expected + 1, "a call of each side for each span: {tracer:#}");
    assert!(tracer["start"]["calls"].as_u64() > Some(0), "spans were opened: {tracer:#}");

    let spans = collector.spans();
    for (service, span) in &spans {
        let name = if span.side == Some("client") { "RPC call" } else { "RPC handle" };
        assert_eq!((service.as_str(), span.name.as_str()), ("shop", name), "{span:#?}");
    }
    let spans = spans.into_iter().map(|(_, span)| span).collect();
    assert_eq!(drawn(spans), [ASKED_TWICE, orders::OUT_OF_STOCK]);
}
