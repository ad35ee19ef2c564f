//! Tracers that people use, from the call to the number on the metrics page.

use hottap::rpc::Side;

use crate::house::House;

/// Makes calls with known numbers and returns how many of each kind.
fn shop(house: &House) {
    for i in 0..2_000 {
        house.call(Side::Server, "shop.v1.Checkout/Place", if i % 20 == 0 { 14 } else { 0 });
        house.call(Side::Client, "shop.v1.Pricing/Quote", 0);
    }
}

/// The count of a duration histogram's series.
fn series(side: &str, tracer: &str, method: &str, status: &str, error: &str) -> String {
    format!(
        "rpc_{side}_call_duration_seconds_count{{tracer=\"{tracer}\",rpc_system_name=\"grpc\",rpc_method=\"{method}\",\
         rpc_response_status_code=\"{status}\",error_type=\"{error}\"}}"
    )
}

fn placed(tracer: &str) -> String {
    series("server", tracer, "shop.v1.Checkout/Place", "OK", "")
}

#[track_caller]
fn counts(house: &House, tracer: &str) {
    let failed = series("server", tracer, "shop.v1.Checkout/Place", "UNAVAILABLE", "UNAVAILABLE");
    let quoted = series("client", tracer, "shop.v1.Pricing/Quote", "OK", "");
    let counts = [placed(tracer), failed, quoted].map(|series| house.metric(&series));
    assert_eq!(counts, [Some(1_900.0), Some(100.0), Some(2_000.0)]);
}

#[test]
fn red_metrics_counts_every_call() {
    let module = fixtures::guest("red-metrics.wasm");
    let house = House::new();
    house.drop_in("red-metrics.wasm", module);
    house.until_live("red-metrics");
    shop(&house);
    assert_eq!(house.settled("red-metrics", 4_000)["committed"], 4_000);
    counts(&house, "red-metrics");
}

#[test]
#[ignore = "needs a guest in Python"]
fn a_rust_and_a_python_guest_count_the_same_to_the_last_call() {
    let rust = fixtures::guest("red-metrics.wasm");
    let python = std::fs::read(fixtures::peer("HOTTAP_TEST_PYTHON_GUEST")).expect("readable");
    let house = House::new();
    house.drop_in("rust.wasm", rust);
    house.drop_in("python.wasm", python);
    house.until_live("rust");
    house.until_live("python");
    shop(&house);
    assert_eq!(house.settled("rust", 4_000)["committed"], 4_000);
    assert_eq!(house.settled("python", 4_000)["committed"], 4_000);
    counts(&house, "rust");
    counts(&house, "python");
    let page = house.tap.metrics();
    let series = |tracer: &str| {
        let label = format!("tracer=\"{tracer}\"");
        let lines = page.lines().filter(|line| line.starts_with("rpc_") && line.contains(&label));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        pairs
            .map(|(name, value)| (name.replace(&label, ""), value.parse().expect("a number")))
            .collect::<Vec<(_, f64)>>()
    };
    let (rust, python) = (series("rust"), series("python"));
    assert_eq!(rust.len(), python.len());
    for ((name, rust), (other, python)) in rust.into_iter().zip(python) {
        assert_eq!(name, other);
        // Counts are exact. A sum depends in its last digit on where the flushes fell.
        let slack = if name.contains("_sum{") { 1e-9 * rust } else { 0.0 };
        assert!((rust - python).abs() <= slack, "{name}: {rust} and {python}");
    }
}

#[test]
fn series_survive_a_swap() {
    let [one, other] = ["red-metrics.wasm", "red-metrics-extra.wasm"].map(fixtures::guest);
    let house = House::new();
    house.drop_in("red-metrics.wasm", &one);
    let first = house.until_live("red-metrics");
    shop(&house);
    house.settled("red-metrics", 4_000);
    house.drop_in("red-metrics.toml", "[config]\n");
    house.until("red-metrics", "swapped", |tracer| tracer["generation"] != first["generation"]);
    shop(&house);
    house.settled("red-metrics", 8_000);
    assert_eq!(
        house.metric(&placed("red-metrics")),
        Some(3_800.0),
        "a new generation that defines the same goes on counting"
    );
    let second = house.tracer("red-metrics");
    house.drop_in("red-metrics.wasm", &other);
    house.until("red-metrics", "swapped", |tracer| tracer["generation"] != second["generation"]);
    shop(&house);
    assert_eq!(house.settled("red-metrics", 12_000)["committed"], 12_000);
}
