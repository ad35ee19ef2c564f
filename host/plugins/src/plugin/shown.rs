//! The TOML that the READMEs show, read by what reads it in a service.

use super::manifest::Manifest;
use crate::config::OperatorConfig;

const PAGES: [(&str, &str); 5] = [
    ("README.md", include_str!("../../../../README.md")),
    ("guest-sdk", include_str!("../../../../guest-sdk/README.md")),
    ("influxdb", include_str!("../../../../plugins/influxdb/README.md")),
    ("rpc-span", include_str!("../../../../plugins/rpc-span/README.md")),
    ("slow-calls", include_str!("../../../../plugins/slow-calls/README.md")),
];

/// The blocks of a page that are marked `toml`.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("\n```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0))
}

#[test]
fn a_service_reads_what_the_readmes_show() {
    let (mut configurations, mut manifests) = (0, 0);
    for (name, page) in PAGES {
        for block in blocks(page) {
            let first = block.lines().next().unwrap_or_default();
            if first.starts_with("# hottap.toml") {
                configurations += 1;
                OperatorConfig::parse(block.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}\n{block}"));
            } else if let Some(tracer) =
                first.strip_prefix("# plugins/").and_then(|rest| Some(rest.split_once(".toml")?.0))
            {
                manifests += 1;
                Manifest::parse(tracer, block.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}\n{block}"));
            } else {
                // Cargo's: examples/readme reads those.
                assert!(block.starts_with("hottap = ") || block.starts_with("[lib]"), "{name}: name its file\n{block}");
            }
        }
    }
    assert!(configurations >= 4 && manifests >= 5, "{configurations} configurations, {manifests} manifests");
}
