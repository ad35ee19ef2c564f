//! README.md's Rust snippets, compiled as they stand. A snippet brings its own imports; what it takes from its reader (a
//! service, a channel, a running Hottap) is here the parameter of a function, so this file imports nothing.

#![expect(dead_code, unused_variables, reason = "the snippets are compiled, not run")]

type Outcome = Result<(), Box<dyn std::error::Error>>;
/// Stand in for clients that tonic has generated from the reader's own services.
type GreeterClient<T> = tonic_health::pb::health_client::HealthClient<T>;
type InventoryClient<T> = tonic_health::pb::health_client::HealthClient<T>;
type Greeter = tonic_health::pb::health_server::HealthServer<tonic_health::server::HealthService>;

/// A snippet of README.md by the name of its section and its number there.
macro_rules! snippet {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}

async fn layers(greeter: Greeter, addr: std::net::SocketAddr, channel: tonic::transport::Channel) -> Outcome {
    async fn hello() -> &'static str {
        "hello"
    }
    snippet!("hottap_1");
    Ok(())
}

fn outgoing(tap: hottap::Hottap) {
    snippet!("hottap_2");
}

mod tracer {
    snippet!("write_a_tracer_1");
}

async fn runtimes(tap: hottap::Hottap, greeter: Greeter, shutdown: impl Future<Output = ()>) -> Outcome {
    snippet!("start_anew_1");
    Ok(())
}

fn spans() -> Outcome {
    snippet!("opentelemetry__compiled_in_1");
    Ok(())
}

fn nested_spans(otel: hottap::otel::Otel) {
    snippet!("opentelemetry__compiled_in_2");
}

async fn notes<Order>(
    tap: hottap::Hottap,
    tenant: &str,
    place: impl tower::Service<Order, Response = String, Error = std::io::Error>,
    order: Order,
) -> Outcome {
    snippet!("say_more_of_a_call_1");
    Ok(())
}

async fn first_call() {
    snippet!("operate_it_1");
}

#[cfg(test)]
mod tests {
    const THIS: &str = include_str!("lib.rs");

    #[test]
    fn every_snippet_of_the_readme_is_compiled() {
        let names = include_str!(concat!(env!("OUT_DIR"), "/names"));
        let missing: Vec<_> = names.lines().filter(|name| !THIS.contains(&format!("snippet!(\"{name}\")"))).collect();
        assert!(!names.is_empty() && missing.is_empty(), "give these a function in examples/readme: {missing:?}");
    }

    #[test]
    fn a_snippet_brings_its_own_imports() {
        let imports: Vec<_> = THIS.lines().filter(|line| line.trim_start().starts_with("use ")).collect();
        assert!(imports.is_empty(), "{imports:?}");
    }

    /// The blocks of a page that are marked `toml` and say that they belong into a Cargo.toml, by their keys.
    fn cargo_tables(page: &str) -> Vec<toml::Table> {
        let blocks = page.split("\n```toml\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
        let tables = blocks.map(|(block, _)| block.parse::<toml::Table>().expect("a block is TOML"));
        tables.filter(|table| table.contains_key("hottap") || table.contains_key("lib")).collect()
    }

    #[test]
    fn cargo_knows_what_the_readme_puts_into_cargo_toml() {
        let host: toml::Table = include_str!("../../../host/hottap/Cargo.toml").parse().expect("TOML");
        let features = host["features"].as_table().expect("a table");
        let tables = cargo_tables(include_str!("../../../README.md"));
        assert!(!tables.is_empty());
        for table in tables {
            let asked = table["hottap"].get("features").and_then(toml::Value::as_array).expect("features");
            for feature in asked {
                assert!(features.contains_key(feature.as_str().expect("a name")), "no feature {feature}");
            }
        }
        let [guest] = &*cargo_tables(include_str!("../../../guest-sdk/README.md")) else { panic!("one block") };
        assert_eq!(guest["lib"]["crate-type"].as_array().expect("a list"), &["cdylib".into()]);
    }
}
