//! The plugin dir is the live set: add, replace, remove, in all the ways in which files change.

use std::fs;
use std::os::unix::fs::symlink;

use hottap::rpc::Side;

use crate::guests::{QUIET, Wat};
use crate::house::House;

/// The same as the quiet one, in other bytes.
const OTHER: Wat = Wat { items: "(global $other i32 (i32.const 1))", ..QUIET };

#[test]
fn a_module_that_is_dropped_in_goes_live_and_one_that_is_removed_ends() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    house.calls(10);
    house.remove("quiet.wasm");
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
    assert_eq!(house.settled("quiet", 10)["committed"], 10);
    assert!(house.tap.start_call(Side::Server, "m").is_none());
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    house.calls(5);
    assert_eq!(house.settled("quiet", 15)["committed"], 15);
}

#[test]
fn a_swap_loses_no_call() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let mut generation = house.until_live("quiet")["generation"].clone();
    let mut made = 0;
    for swap in 1..=6 {
        let guest = if swap % 2 == 1 { OTHER } else { QUIET };
        house.drop_in("quiet.wasm", guest.component());
        loop {
            house.calls(50);
            made += 50;
            // Calls that come faster than a busy machine works them off are dropped, swap or no swap.
            let tracer = house.until("quiet", "keeping up", |tracer| tracer["pending"].as_u64() < Some(5_000));
            if tracer["generation"] != generation {
                generation = tracer["generation"].clone();
                assert_eq!(tracer["swaps"].as_array().map(Vec::len), Some(swap));
                break;
            }
        }
    }
    let tracer = house.settled("quiet", made);
    assert_eq!(tracer["committed"], made, "{tracer:#}");
    assert_eq!(tracer["loads"], 7);
}

#[test]
fn a_bad_replacement_leaves_the_last_good_one_live() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let before = house.until_live("quiet");
    house.drop_in("quiet.wasm", Wat { init: "unreachable", ..QUIET }.component());
    let after = house.until("quiet", "named", |tracer| !tracer["last_error"].is_null());
    assert_eq!((&after["state"], &after["generation"]), (&before["state"], &before["generation"]));
    let meanwhile = format!("generation {} stays live", before["generation"].as_str().unwrap_or_default());
    assert_eq!(after["last_error"]["meanwhile"], meanwhile);
    house.calls(20);
    assert_eq!(house.settled("quiet", 20)["committed"], 20);
    house.drop_in("quiet.wasm", OTHER.component());
    house.until("quiet", "mended", |tracer| {
        tracer["last_error"].is_null() && tracer["generation"] != before["generation"]
    });
}

#[test]
fn a_module_written_in_place_goes_live_when_it_is_whole() {
    let house = House::new();
    let bytes = QUIET.component();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let path = house.file("slow.wasm");
    fs::write(&path, first).expect("written");
    house.until("slow", "seen", |tracer| tracer["state"] == "loading");
    assert_eq!(house.tracer("slow")["state"], "loading", "a module cut short is not refused at once");
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("opened");
    std::io::Write::write_all(&mut file, rest).expect("written");
    house.until_live("slow");
}

#[test]
fn a_changed_manifest_is_a_new_generation() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let first = house.until_live("quiet");
    house.drop_in("quiet.toml", "[scope]\nsides = [\"client\"]\n");
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first["generation"]);
    house.until("quiet", "narrowed", |_| house.tap.start_call(Side::Server, "m").is_none());
    house.drop_in("quiet.toml", "enabled = false\n");
    house.until("quiet", "disabled", |tracer| tracer["state"] == "disabled");
    house.remove("quiet.toml");
    house.until_live("quiet");
}

#[test]
fn the_plugin_dir_may_come_later_and_be_replaced_as_a_whole() {
    let house = House::without_directory();
    let version = |name: &str, guest: &Wat| {
        let directory = house.outside().join(name);
        fs::create_dir(&directory).expect("made");
        fs::write(directory.join("quiet.wasm"), guest.component()).expect("written");
        directory
    };
    // As Kubernetes mounts a ConfigMap: a link to a directory, swapped by a rename.
    let (one, two) = (version("one", &QUIET), version("two", &OTHER));
    symlink(&one, house.outside().join("plugins")).expect("linked");
    let first = house.until_live("quiet");
    symlink(&two, house.outside().join("next")).expect("linked");
    fs::rename(house.outside().join("next"), house.outside().join("plugins")).expect("renamed");
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first["generation"]);
}

#[test]
fn files_that_are_no_plugins_are_no_matter() {
    let house = House::new();
    for name in [".hidden.wasm", "quiet.wasm~", "quiet.wasm.tmp", "README.md", "white space.wasm", "alone.toml"] {
        fs::write(house.file(name), QUIET.component()).expect("written");
    }
    fs::create_dir(house.file("folder.wasm")).expect("made");
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    assert_eq!(house.tap.tracers()["tracers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn more_plugins_than_there_are_slots_are_refused_by_name() {
    let house = House::new();
    let bytes = QUIET.component();
    for i in 0..130 {
        house.drop_in(&format!("p{i:03}.wasm"), &bytes);
    }
    let count = |state: &str| {
        let all = house.tap.tracers();
        all["tracers"].as_array().map_or(0, |list| list.iter().filter(|tracer| tracer["state"] == state).count())
    };
    house.until("p000", "live beside 127 others", |_| count("live") == 128 && count("refused") == 2);
    let refused = house.tap.tracers();
    let refused =
        refused["tracers"].as_array().and_then(|list| list.iter().find(|tracer| tracer["state"] == "refused"));
    let message = refused.map(|tracer| tracer["last_error"]["message"].to_string()).unwrap_or_default();
    assert!(message.contains("128 live plugins already"), "{message}");
    let what_to_do = refused.map(|tracer| tracer["last_error"]["what_to_do"].to_string()).unwrap_or_default();
    assert!(what_to_do.contains("remove one of them"), "{what_to_do}");
}
