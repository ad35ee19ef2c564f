//! The plugin dir is the live set: add, replace, remove, in all the ways in which files change.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant, SystemTime};

use hottap::rpc::Side;

use crate::apart::{self, assert_grown_by_at_most, resident};
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
fn generations_that_are_gone_leave_no_memory_behind() {
    if apart::run("reload::generations_that_are_gone_leave_no_memory_behind") {
        return;
    }
    const MIB: usize = 1 << 20;
    // There is room for the configuration in its memory.
    const ROOMY: Wat = Wat { items: "(func $grow (drop (memory.grow (i32.const 32)))) (start $grow)", ..QUIET };
    let house = House::new();
    house.drop_in("roomy.wasm", ROOMY.component());
    house.until_live("roomy");
    let swap = |number: usize| {
        let text = "x".repeat(MIB - 100);
        house.drop_in("roomy.toml", format!("[config]\nnumber = {number}\ntext = \"{text}\"\n"));
        house.until("roomy", "swapped", |tracer| tracer["loads"] == number + 1);
    };
    (1..=5).for_each(swap);
    let before = resident();
    (6..=30).for_each(swap);
    assert_grown_by_at_most(before, 16 << 20);
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
fn a_manifest_that_is_emptied_to_be_written_does_not_count_as_an_empty_one() {
    let house = House::new();
    house.drop_in("quiet.toml", "enabled = false\n");
    house.drop_in("quiet.wasm", QUIET.component());
    house.until("quiet", "disabled", |tracer| tracer["state"] == "disabled");
    // As the shell does it: `generate > quiet.toml`, where what is to be written comes later or never.
    let began = Instant::now();
    fs::write(house.file("quiet.toml"), "").expect("written");
    house.until_live("quiet");
    assert!(began.elapsed() >= Duration::from_secs(1), "it was given the time to be written: {:?}", began.elapsed());
}

#[test]
fn a_module_that_an_editor_or_a_build_tool_moves_away_stays_live_for_a_moment() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    let began = Instant::now();
    house.remove("quiet.wasm");
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
    assert!(began.elapsed() >= Duration::from_millis(200), "it could have come back: {:?}", began.elapsed());
}

#[test]
fn a_manifest_that_cannot_be_followed_or_is_no_file_is_not_passed_over() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let first = house.until_live("quiet")["generation"].clone();
    let status = std::process::Command::new("mkfifo").arg(house.file("draft.toml")).status().expect("mkfifo runs");
    assert!(status.success());
    for make in [
        &(|| symlink("nowhere", house.file("quiet.toml")).expect("linked")) as &dyn Fn(),
        &|| fs::create_dir(house.file("quiet.toml")).expect("made"),
        &|| fs::rename(house.file("draft.toml"), house.file("quiet.toml")).expect("renamed"),
    ] {
        make();
        // It would widen the scope of a tracer, or enable it, to load it as if there was no manifest.
        let quiet = house.until("quiet", "refused", |tracer| !tracer["last_error"].is_null());
        let message = quiet["last_error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("quiet.toml cannot be read"), "{message}");
        assert_eq!((&quiet["state"], &quiet["generation"]), (&"live".into(), &first));
        let path = house.file("quiet.toml");
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).expect("removed");
        house.until("quiet", "mended", |tracer| tracer["last_error"].is_null());
    }
}

#[test]
fn a_link_to_a_module_that_is_gone_leaves_the_live_one_live() {
    let house = House::new();
    let build = house.outside().join("build.wasm");
    fs::write(&build, QUIET.component()).expect("written");
    symlink(&build, house.file("quiet.wasm")).expect("linked");
    let first = house.until_live("quiet")["generation"].clone();
    fs::remove_file(&build).expect("removed");
    let quiet = house.until("quiet", "refused", |tracer| !tracer["last_error"].is_null());
    assert_eq!((&quiet["state"], &quiet["generation"]), (&"live".into(), &first));
    fs::write(&build, OTHER.component()).expect("written");
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first && tracer["last_error"].is_null());
    house.remove("quiet.wasm");
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
}

#[test]
fn a_bad_module_with_a_time_in_the_future_is_refused_all_the_same() {
    let house = House::new();
    let draft = house.outside().join("tomorrow");
    fs::write(&draft, "hello").expect("written");
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    let file = fs::File::options().write(true).open(&draft).expect("opened");
    file.set_modified(tomorrow).expect("set");
    fs::rename(draft, house.file("bad.wasm")).expect("renamed");
    let bad = house.until("bad", "refused", |tracer| tracer["state"] == "refused");
    assert!(bad["last_error"]["message"].as_str().is_some_and(|message| message.contains("is not WebAssembly")));
}
