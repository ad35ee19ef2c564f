//! A tracer that was removed leaves nothing behind: no warning, no error in the API, none on the page of metrics.

use std::fs::File;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hottap::rpc::Side;
use serde_json::{Value, json};

use crate::guests::{QUIET, Wat};
use crate::house::{House, assert_balanced};
use crate::log;
use crate::sink::Refuses;

/// Spins in its last flush, and in no other.
const SPINS_AT_THE_END: Wat = Wat { flush: "(if (i32.eq (local.get 0) (i32.const 3)) (then (loop (br 0))))", ..QUIET };
const TRAPS_AT_THE_END: Wat = Wat { flush: "(if (i32.eq (local.get 0) (i32.const 3)) (then unreachable))", ..QUIET };
/// The canary sees one batch.
const TRAPS_LATER: Wat =
    Wat { finish: "(if (i32.ge_u (global.get $calls) (i32.const 3)) (then unreachable))", ..QUIET };
const SPINS_LATER: Wat =
    Wat { finish: "(if (i32.ge_u (global.get $calls) (i32.const 3)) (then (loop (br 0))))", ..QUIET };
const STARTS_BADLY: Wat =
    Wat { start: "(if (i32.ge_u (global.get $starts) (i32.const 20)) (then unreachable))", ..QUIET };

/// The lines of the log about a tracer.
fn lines(name: &str) -> Vec<String> {
    let tracer = format!("tracer=\"{name}\"");
    log::lines().lines().filter(|line| line.contains(&tracer)).map(str::to_owned).collect()
}

/// Waits until the tracer is removed; from then on, and after the host's end, nothing is said of it any more.
#[track_caller]
fn leaves_nothing(house: &House, name: &str) -> Value {
    let removed = house.until(name, "removed", |tracer| {
        assert_balanced(tracer);
        tracer["state"] == "removed"
    });
    let said = lines(name);
    let end = said.iter().position(|line| line.contains("message=removed"));
    let end = end.unwrap_or_else(|| panic!("the log says that it was removed: {said:#?}"));
    house.calls(10);
    assert!(house.tap.shutdown(Duration::from_secs(30)));
    let said = lines(name);
    let after: Vec<_> = said.iter().skip(end + 1).filter(|line| !line.starts_with("DEBUG")).collect();
    assert!(after.is_empty(), "{after:#?}");
    let tracer = house.tracer(name);
    assert_eq!((&tracer["state"], &tracer["last_error"]), (&json!("removed"), &Value::Null), "{tracer:#}");
    assert_eq!((&tracer["notices"], &tracer["scope"]), (&json!([]), &Value::Null), "{tracer:#}");
    assert_eq!((&tracer["pending"], &tracer["finished"]), (&json!(0), &removed["finished"]), "{tracer:#}");
    assert_eq!(house.metric(&format!("hottap_tracer_error{{tracer=\"{name}\"}}")), Some(0.0));
    assert_eq!(house.metric(&format!("hottap_tracer_live{{tracer=\"{name}\"}}")), Some(0.0));
    assert_balanced(&tracer);
    tracer
}

#[test]
fn a_tracer_that_fails_in_its_last_turn_leaves_nothing_behind() {
    log::listen();
    for (name, guest) in [("gone-spins", SPINS_AT_THE_END), ("gone-traps", TRAPS_AT_THE_END)] {
        let house = House::new();
        house.drop_in(&format!("{name}.wasm"), guest.component());
        house.until_live(name);
        house.calls(100);
        house.remove(&format!("{name}.wasm"));
        let tracer = leaves_nothing(&house, name);
        assert_eq!(tracer["finished"], 100);
        let warnings: Vec<_> = lines(name).into_iter().filter(|line| line.starts_with("WARN")).collect();
        assert!(warnings.is_empty(), "{warnings:#?}");
    }
}

#[test]
fn a_tracer_that_is_failing_when_it_is_removed_leaves_nothing_behind() {
    log::listen();
    for (name, guest) in
        [("failing-traps", TRAPS_LATER), ("failing-spins", SPINS_LATER), ("failing-starts", STARTS_BADLY)]
    {
        let house = House::new();
        house.drop_in(&format!("{name}.wasm"), guest.component());
        house.until_live(name);
        house.until(name, "failing", |tracer| {
            house.calls(20);
            !tracer["last_error"].is_null()
        });
        let metric = format!("hottap_tracer_error{{tracer=\"{name}\"}}");
        assert_eq!(house.metric(&metric), Some(1.0));
        // Calls that wait when it goes, and calls that are under way.
        house.calls(200);
        let open: Vec<_> = (0..10).filter_map(|_| house.tap.start_call(Side::Server, "house.v1.House/Open")).collect();
        house.remove(&format!("{name}.wasm"));
        house.calls(200);
        drop(open);
        leaves_nothing(&house, name);
    }
}

#[test]
fn a_tracer_whose_instances_cannot_be_made_leaves_nothing_behind() {
    log::listen();
    let house = House::new();
    // Its init fails from two seconds on.
    let until = SystemTime::now() + Duration::from_secs(2);
    let until_nanos = until.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let init = format!("(if (i64.gt_u (local.get 5) (i64.const {until_nanos})) (then unreachable)) i32.const 8");
    let guest = Wat { init: init.leak(), ..TRAPS_LATER };
    house.drop_in("backoff.wasm", guest.component());
    house.until_live("backoff");
    house.until("backoff", "without an instance", |tracer| {
        house.calls(20);
        tracer["last_error"]["message"].as_str().is_some_and(|words| words.contains("trapped in init"))
    });
    house.calls(100);
    house.remove("backoff.wasm");
    leaves_nothing(&house, "backoff");
}

/// Puts a module in place whose last change is long ago, as `cp -p` does: its failure is final at once.
fn drop_in_old(house: &House, name: &str, bytes: &[u8]) {
    let draft = house.outside().join("old");
    std::fs::write(&draft, bytes).expect("written");
    let file = File::options().write(true).open(&draft).expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).expect("set");
    std::fs::rename(&draft, house.file(name)).expect("renamed");
}

#[test]
fn a_tracer_that_is_removed_while_it_is_loaded_leaves_nothing_behind() {
    log::listen();
    let house = House::new();
    let refused = Wat { init: "unreachable", ..QUIET }.component();
    // Some are removed before they are read, some while they are compiled, and some after that.
    for (i, pause) in [0, 0, 1, 2, 5, 10, 20, 50].into_iter().enumerate() {
        let name = format!("loading-{i}");
        drop_in_old(&house, &format!("{name}.wasm"), &refused);
        if i > 0 {
            house.until(&name, "seen", |tracer| !tracer.is_null());
        }
        std::thread::park_timeout(Duration::from_millis(pause));
        house.remove(&format!("{name}.wasm"));
    }
    // Loads come one after the other.
    house.drop_in("last.wasm", QUIET.component());
    house.until_live("last");
    for i in 0..8 {
        let name = format!("loading-{i}");
        if i > 0 {
            house.until(&name, "removed", |tracer| tracer["state"] == "removed");
        }
    }
    house.remove("last.wasm");
    leaves_nothing(&house, "last");
    for i in 0..8 {
        let name = format!("loading-{i}");
        let tracer = house.tracer(&name);
        assert!(tracer.is_null() || tracer["state"] == "removed" && tracer["last_error"].is_null(), "{tracer:#}");
        let said = lines(&name);
        let end = said.iter().position(|line| line.contains("message=removed")).unwrap_or(said.len());
        assert!(!said.iter().skip(end).any(|line| line.starts_with("WARN")), "{said:#?}");
    }
}

#[test]
fn a_tracer_that_is_put_back_begins_anew() {
    log::listen();
    let house = House::new();
    house.drop_in("back.wasm", SPINS_AT_THE_END.component());
    let first = house.until_live("back");
    house.calls(50);
    house.remove("back.wasm");
    house.until("back", "leaving", |tracer| tracer["state"] != "live");
    house.drop_in("back.wasm", QUIET.component());
    let second = house.until_live("back");
    assert!(second["generation"] != first["generation"] && second["last_error"].is_null(), "{second:#}");
    house.calls(50);
    let tracer = house.settled("back", 100);
    assert!(tracer["last_error"].is_null() && tracer["committed"].as_u64() >= Some(50), "{tracer:#}");
    assert_eq!(tracer["loads"], 2);
    let said = lines("back");
    assert!(!said.iter().any(|line| line.starts_with("WARN")), "{said:#?}");
    let told: Vec<_> =
        ["message=live", "message=removed"].map(|word| said.iter().filter(|line| line.contains(word)).count()).into();
    assert_eq!(told, [2, 1], "{said:#?}");
}

#[test]
fn a_disabled_tracer_leaves_no_error_behind() {
    let house = House::new();
    house.drop_in("off.wasm", SPINS_AT_THE_END.component());
    house.until_live("off");
    house.calls(50);
    house.drop_in("off.toml", "enabled = false\n");
    let off = house.until("off", "disabled", |tracer| tracer["state"] == "disabled");
    assert!(off["last_error"].is_null(), "{off:#}");
    // Its end and its file's end at the same time.
    house.remove("off.toml");
    house.until_live("off");
    house.drop_in("off.toml", "enabled = false\n");
    house.until("off", "ending", |tracer| tracer["state"] != "live");
    house.remove("off.wasm");
    let removed = house.until("off", "removed", |tracer| tracer["state"] == "removed");
    assert!(removed["last_error"].is_null(), "{removed:#}");
}

#[test]
fn a_tracer_with_a_destination_of_its_own_hands_over_its_last_payload() {
    let module = fixtures::guest("influxdb.wasm");
    log::listen();
    let house = House::new();
    house.configure("trust_plugin_dir = true\n");
    let file = house.outside().join("points");
    // A long interval: everything goes out with the last flush.
    let config = "[config]\npoints = true\ninterval_ms = 60000\n";
    house.drop_in(
        "parting.toml",
        format!("[destinations.influx]\nurl = \"file://{}\"\n{config}destination = \"influx\"\n", file.display()),
    );
    house.drop_in("parting.wasm", &module);
    house.until_live("parting");
    house.until_destination("influx", "there", |influx| !influx.is_null());
    house.calls(500);
    house.remove("parting.wasm");
    house.until_destination("influx", "removed and empty", |influx| {
        influx["state"] == "removed" && influx["queued"]["payloads"] == 0
    });
    let tracer = leaves_nothing(&house, "parting");
    assert_eq!((&tracer["committed"], &tracer["payloads_refused"]), (&json!(500), &Value::Null), "{tracer:#}");
    assert_eq!(std::fs::read_to_string(&file).expect("there").lines().count(), 500);
}

#[test]
fn a_destination_that_is_removed_leaves_no_error_behind() {
    let module = fixtures::guest("influxdb.wasm");
    log::listen();
    let house = House::new();
    let refuses = Refuses::start();
    let defined = format!("[destinations.forsaken]\nurl = \"http://{}\"\ntracers = [\"leaver\"]\n", refuses.address);
    house.configure(&defined);
    house
        .drop_in("leaver.toml", "destinations = [\"forsaken\"]\n[config]\npoints = true\ndestination = \"forsaken\"\n");
    house.drop_in("leaver.wasm", &module);
    house.until("leaver", "granted", |tracer| tracer["destinations"]["forsaken"] == "granted");
    house.calls(10);
    house.until_destination("forsaken", "failing", |it| it["state"] == "failing" && !it["last_error"].is_null());
    assert_eq!(house.metric("hottap_destination_error{destination=\"forsaken\"}"), Some(1.0));
    let about = |line: &&str| line.contains("forsaken") && line.starts_with("WARN");
    assert_eq!(log::lines().lines().filter(about).count(), 1);
    house.configure("");
    let removed = house.until_destination("forsaken", "removed and empty", |it| {
        it["state"] == "removed" && it["queued"]["payloads"] == 0
    });
    assert!(removed["last_error"].is_null() && removed["dropped"]["removed"].as_u64() > Some(0), "{removed:#}");
    assert_eq!(house.metric("hottap_destination_error{destination=\"forsaken\"}"), Some(0.0));
    assert_eq!(log::lines().lines().filter(about).count(), 1, "what became of the rest is counted");
}
