//! `hottap build --watch` beside a running service: what is saved goes live.

use std::time::Duration;

use crate::command::Running;
use crate::house::House;
use crate::project::Project;

/// From saving to live, what the compilers need left out: cargo's build, and the service's compile with its canary.
const PROMISE: Duration = Duration::from_secs(2);

#[test]
fn what_is_saved_goes_live_and_what_does_not_compile_changes_nothing() {
    let project = Project::new("watched-tracer", &[]);
    let house = House::new();
    let plugins = house.outside().join("plugins");
    let running = Running::start(project.hottap().args(["build", "--watch", "--into"]).arg(&plugins));
    running.out("watched-tracer.wasm");
    let first = house.until_live(project.name)["generation"].clone();
    running.err("watching");

    project.edit("src/lib.rs", "{count} slow calls", "{count} calls were slow");
    let saved = std::time::Instant::now();
    let building = running.err("building").at;
    let placed = running.out("watched-tracer.wasm").at;
    let second = house.until(project.name, "swapped", |tracer| tracer["swaps"][0]["to"] == tracer["generation"]);
    let live = std::time::Instant::now();
    assert_ne!(second["generation"], first);
    let loaded = Duration::from_secs_f64(second["swaps"][0]["ms"].as_f64().expect("a number") / 1e3);
    let ours = (building - saved) + (live - placed).saturating_sub(loaded);
    println!(
        "saved to live in {:.2?}: cargo {:.2?}, the service's load {loaded:.2?}, between them {ours:.2?}",
        live - saved,
        placed - building
    );
    assert!(ours < PROMISE, "{ours:?}");
    running.err("watching");

    project.edit("src/lib.rs", "export!(", "export(");
    running.err("does not compile");
    running.err("watching");
    assert_eq!(house.tracer(project.name)["generation"], second["generation"]);

    project.edit("src/lib.rs", "export(", "export!(");
    project.edit("watched-tracer.toml", "threshold_ms = 100", "threshold_ms = 5");
    let third = house.until(project.name, "configured", |tracer| tracer["generation"] != second["generation"]);
    assert_eq!(third["state"], "live");
    assert_eq!(running.interrupt(), Some(0));
}
