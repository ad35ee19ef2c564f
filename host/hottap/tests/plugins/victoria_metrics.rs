//! A real VictoriaMetrics reads the admin port.

use std::process::Command;

use crate::scraper::reads_what_the_service_did;

#[test]
#[ignore = "needs VictoriaMetrics"]
fn victoria_metrics_reads_what_the_service_did() {
    let program = fixtures::peer("HOTTAP_TEST_VICTORIA_METRICS");
    reads_what_the_service_did(|place| {
        let mut command = Command::new(program);
        command
            .arg(format!("-promscrape.config={}", place.configuration.display()))
            .arg(format!("-storageDataPath={}", place.data.display()))
            .arg(format!("-httpListenAddr={}", place.address))
            // It shows what it has at once, and not after half a minute.
            .args(["-search.latencyOffset=0s", "-search.disableCache"]);
        command
    });
}
