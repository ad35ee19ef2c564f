//! Memory: what all plugins may use together, and a process that has few addresses.

use hottap::Hottap;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::apart;
use crate::guests::{QUIET, Wat};
use crate::house::House;

const MIB: u64 = 1 << 20;
/// A guest that takes 10 MiB in `init`, and cannot do without.
const HUNGRY: Wat =
    Wat { init: "(if (i32.eq (memory.grow (i32.const 160)) (i32.const -1)) (then unreachable)) i32.const 8", ..QUIET };

#[test]
fn a_load_beyond_the_budget_is_refused_by_name_and_goes_live_when_there_is_room() {
    let house = House::with(Hottap::builder().memory_budget(16 * MIB));
    house.drop_in("first.wasm", HUNGRY.component());
    house.until_live("first");
    // Its instance is made with the first turn.
    house.calls(1);
    house.settled("first", 1);
    let used = |kind: &str| house.tap.tracers()["memory"]["by_kind"][kind].as_u64().expect("bytes");
    assert!((10 * MIB..12 * MIB).contains(&used("instances")), "{}", house.tap.tracers()["memory"]);
    assert!(used("code") > 0);
    assert_eq!(house.metric("hottap_memory_budget_bytes"), Some((16 * MIB) as f64));
    assert!(house.metric("hottap_memory_used_bytes{kind=\"instances\"}") >= Some((10 * MIB) as f64));

    house.drop_in("second.wasm", HUNGRY.component());
    let second = house.until("second", "refused", |tracer| tracer["state"] == "refused");
    let message = second["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("needs 10 MiB more of the memory that all plugins share"), "{message}");
    assert!(message.contains("of 16 MiB are in use"), "{message}");
    house.remove("first.wasm");
    house.until_live("second");
}

#[test]
fn what_a_removed_plugin_has_used_is_given_back() {
    let house = House::new();
    house.drop_in("it.wasm", HUNGRY.component());
    house.until_live("it");
    house.calls(1);
    house.settled("it", 1);
    house.remove("it.wasm");
    house.until("it", "removed", |tracer| tracer["state"] == "removed");
    house.until("it", "forgotten", |_| house.tap.tracers()["memory"]["used_bytes"] == 0);
}

#[test]
fn plugins_load_in_four_gibibytes_of_addresses() {
    if apart::run("memory::plugins_load_in_four_gibibytes_of_addresses") {
        return;
    }
    let limit = Some(4096 * MIB);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).expect("limited");
    let house = House::new();
    for index in 0..8 {
        house.drop_in(&format!("quiet-{index}.wasm"), QUIET.component());
    }
    house.drop_in("hungry.wasm", HUNGRY.component());
    house.drop_in("red-metrics.wasm", fixtures::guest("red-metrics.wasm"));
    let names = (0..8).map(|index| format!("quiet-{index}")).chain(["hungry", "red-metrics"].map(str::to_owned));
    let names: Vec<String> = names.collect();
    names.iter().for_each(|name| _ = house.until_live(name));
    house.calls(100);
    for name in &names {
        let tracer = house.settled(name, 100);
        assert_eq!(tracer["committed"], 100, "{tracer:#}");
    }
}

#[test]
fn a_lack_of_addresses_is_the_machines_and_not_the_tracers() {
    if apart::run("memory::a_lack_of_addresses_is_the_machines_and_not_the_tracers") {
        return;
    }
    // Such an engine reserves 4 GiB of addresses for each memory, and then there are no more.
    let house = House::new();
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("a line");
    let kib: u64 = size.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
    let maximum = rustix::process::getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some(kib * 1024 + 512 * MIB), maximum }).expect("limited");
    house.drop_in("it.wasm", QUIET.component());
    let it = house.until("it", "refused", |tracer| tracer["state"] == "refused");
    let error = &it["last_error"];
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("the machine, its container or `ulimit -v` has no memory left"), "{message}");
    assert!(error["what_to_do"].as_str().is_some_and(|words| words.contains("not the tracer's fault")), "{error}");
    setrlimit(Resource::As, Rlimit { current: maximum, maximum }).expect("limited no more");
    house.until_live("it");
}
