//! A real Prometheus reads the admin port, and its own checker the page.

use std::io::Write;
use std::process::{Command, Stdio};

use hottap::rpc::Side;

use crate::house::House;
use crate::scraper::reads_what_the_service_did;

#[test]
#[ignore = "needs Prometheus"]
fn prometheus_reads_what_the_service_did() {
    let program = fixtures::peer("HOTTAP_TEST_PROMETHEUS");
    reads_what_the_service_did(|place| {
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", place.configuration.display()))
            .arg(format!("--storage.tsdb.path={}", place.data.display()))
            .arg(format!("--web.listen-address={}", place.address));
        command
    });
}

#[test]
#[ignore = "needs Prometheus"]
fn promtool_finds_nothing_wrong_with_the_page() {
    let module = fixtures::guest("red-metrics.wasm");
    let promtool = fixtures::peer("HOTTAP_TEST_PROMTOOL");
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
