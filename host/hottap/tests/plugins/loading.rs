//! Loading is fair: a module that takes long delays no other, and one whose file is gone takes nothing any more.

use std::time::{Duration, Instant};

use crate::guests::{QUIET, Wat};
use crate::house::House;

/// A guest that never comes back from `init`.
const SPINS: Wat = Wat { init: "(loop $forever (br $forever)) i32.const 8", ..QUIET };
/// Modules that spin: as many as would keep one thread busy for two minutes, at two seconds each.
const SPINNING: usize = 64;

#[test]
fn modules_that_spin_do_not_delay_one_that_does_not() {
    let house = House::new();
    let spins = SPINS.component();
    for index in 0..SPINNING {
        house.drop_in(&format!("a-spin-{index}.wasm"), &spins);
    }
    house.until("a-spin-0", "seen", |tracer| tracer["state"] == "loading");
    let began = Instant::now();
    // By its name and by its time it is the last one.
    house.drop_in("z-quiet.wasm", QUIET.component());
    house.until_live("z-quiet");
    let took = began.elapsed();
    let refused = (0..SPINNING).filter(|index| house.tracer(&format!("a-spin-{index}"))["state"] == "refused").count();
    assert!(refused < SPINNING / 2, "it went live after {refused} others had used up all their time");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_deleted_file_cancels_its_load() {
    let house = House::new();
    house.configure("[tracers.long]\nlimits = { init = \"60s\" }\n[tracers.short]\nlimits = { init = \"300ms\" }\n");
    house.drop_in("long.wasm", SPINS.component());
    house.until("long", "seen", |tracer| tracer["state"] == "loading");
    // The trials of both become long ones, and one long trial is made at a time: the second waits for the first.
    house.drop_in("short.wasm", SPINS.component());
    house.until("short", "seen", |tracer| tracer["state"] == "loading");
    house.remove("long.wasm");
    let began = Instant::now();
    house.until("short", "refused", |tracer| tracer["state"] == "refused");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(house.tracer("long")["state"], "removed");
}

#[test]
fn a_file_that_is_put_back_while_it_loads_is_loaded_anew() {
    let house = House::new();
    house.configure("[tracers.it]\nlimits = { init = \"60s\" }\n");
    house.drop_in("it.wasm", SPINS.component());
    house.until("it", "seen", |tracer| tracer["state"] == "loading");
    house.remove("it.wasm");
    house.until("it", "removed", |tracer| tracer["state"] == "removed");
    house.drop_in("it.wasm", QUIET.component());
    house.until_live("it");
}
