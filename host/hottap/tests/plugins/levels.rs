//! How much of which calls a tracer is shown: events by level and method, attempts where it asks for them.

use std::fs;
use std::sync::{Arc, Mutex};

use hottap::rpc::{EventKind, Level, Outcome, RpcInfo, Side, Symbol};
use hottap::{CallContext, Hottap, Tracer};
use serde_json::Value;

use crate::house::House;

/// A house in which the guests `names` write down what they are shown. `manifest` is that of the first, and only it may
/// see events.
fn scribes(house: &House, module: &[u8], names: &[&str], manifest: &str) {
    let mut config = String::new();
    for name in names {
        let file = house.outside().join(name);
        config += &format!("[destinations.{name}]\nurl = \"file://{}\"\ntracers = [\"{name}\"]\n", file.display());
    }
    config += &format!("[tracers.{}]\nlevel = \"detailed\"\n", names[0]);
    house.configure(&config);
    for (i, name) in names.iter().enumerate() {
        let own = if i == 0 { manifest } else { "[config]\n" };
        house.drop_in(&format!("{name}.toml"), format!("destinations = [\"{name}\"]\n{own}destination = \"{name}\"\n"));
        house.drop_in(&format!("{name}.wasm"), module);
        house.until_live(name);
        let level = if i == 0 { "detailed" } else { "base" };
        house.until(name, "granted", |tracer| tracer["destinations"][*name] == "granted" && tracer["level"] == level);
        assert_eq!(house.tracer(name)["wanted_level"], "detailed");
    }
}

/// What a guest wrote down, once it is `count` records.
fn records(house: &House, name: &str, count: usize) -> Vec<Value> {
    house.until_destination(name, "delivered", |destination| destination["delivered"] == count);
    let text = fs::read_to_string(house.outside().join(name)).expect("there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn has_miss(record: &Value) -> bool {
    record["events"].as_array().expect("events").iter().any(|event| event["kind"] == "levels.miss")
}

#[test]
fn a_tracer_sees_the_events_of_the_methods_that_it_names() {
    let module = fixtures::guest("scribe.wasm");
    let house = House::new();
    scribes(&house, &module, &["some", "none"], "[scope]\ndetailed = [\"shop.v1.Cart/*\"]\n[config]\n");
    const EACH: usize = 20;
    for i in 0..2 * EACH {
        let method = if i % 2 == 0 { "shop.v1.Cart/Add" } else { "shop.v1.Pricing/Quote" };
        let mut call = house.tap.start_call(Side::Server, method).expect("somebody wants it");
        // The first call of a method is recorded before anybody knows whose it is.
        if i >= 2 {
            assert_eq!(call.info().level(), if i % 2 == 0 { Level::Detailed } else { Level::Base }, "{method}");
        }
        call.record(EventKind::new("levels.miss"));
        call.finish();
    }
    for name in ["some", "none"] {
        house.settled(name, 2 * EACH as u64);
        for record in records(&house, name, 2 * EACH) {
            let sees = name == "some" && record["method"] == "shop.v1.Cart/Add";
            assert_eq!(record["level"], if sees { "detailed" } else { "base" }, "{name}: {record}");
            // Who may not see events is not shown those that another tracer's grant had recorded.
            assert_eq!(has_miss(&record), sees, "{name}: {record}");
        }
    }
}

/// Keeps what it is told of calls and, if it wants them, of attempts.
#[derive(Clone, Default)]
struct Keeper {
    attempts: bool,
    seen: Arc<Mutex<Vec<RpcInfo>>>,
}

impl Tracer for Keeper {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        self.seen.lock().expect("not poisoned").push(call.info().clone());
    }

    fn level(&self, _: Side, method: &str) -> Level {
        if method.ends_with("/Quote") { Level::Base } else { Level::Detailed }
    }

    fn attempts(&self) -> bool {
        self.attempts
    }
}

#[test]
fn attempts_go_to_those_who_ask_for_them() {
    let module = fixtures::guest("scribe.wasm");
    let (plain, keen) = (Keeper::default(), Keeper { attempts: true, ..Keeper::default() });
    let house = House::with(Hottap::builder().tracer(plain.clone()).tracer(keen.clone()));
    scribes(&house, &module, &["keen", "plain"], "[config]\nattempts = true\n");
    const CALLS: usize = 10;
    for _ in 0..CALLS {
        let call = house.tap.start_call(Side::Client, "shop.v1.Pricing/Quote").expect("somebody wants it");
        let mut first = call.attempt(1).expect("somebody wants attempts");
        first.fail(Outcome::Error, Symbol::intern("UNAVAILABLE"), "no room");
        first.finish();
        call.attempt(2).expect("somebody wants attempts").finish();
        call.finish();
    }
    house.settled("keen", 3 * CALLS as u64);
    house.settled("plain", CALLS as u64);

    let seen = |keeper: &Keeper| keeper.seen.lock().expect("not poisoned").clone();
    assert!(seen(&plain).iter().all(|info| info.attempt_of().is_none()) && seen(&plain).len() == CALLS);
    assert_eq!(seen(&keen).len(), 3 * CALLS);
    assert!(records(&house, "plain", CALLS).iter().all(|record| record["kind"] == "call"));

    let records = records(&house, "keen", 3 * CALLS);
    for call in seen(&plain) {
        let attempts: Vec<&Value> =
            records.iter().filter(|record| record["kind"] == "attempt" && record["logical_id"] == call.id()).collect();
        assert_eq!(attempts.len(), 2, "of each call");
        for (attempt, outcome) in attempts.iter().zip(["error", "ok"]) {
            assert_eq!(attempt["outcome"], outcome);
            assert_eq!(attempt["parent_span_id"], format!("{:016x}", call.trace().span_id), "a child of the call");
            assert_eq!(attempt["trace_id"], format!("{:032x}", call.trace().trace_id));
        }
        assert_eq!((&attempts[0]["attempts"], &attempts[1]["attempts"]), (&1.into(), &2.into()), "their numbers");
        let logical = records.iter().find(|record| record["id"] == call.id()).expect("the call itself");
        assert_eq!((&logical["kind"], &logical["outcome"]), (&"call".into(), &"ok".into()));
    }
}

#[test]
fn nobody_asks_for_attempts_and_none_is_made() {
    let keeper = Keeper::default();
    let tap = Hottap::builder().tracer(keeper.clone()).start().expect("starts");
    for _ in 0..2 {
        let call = tap.start_call(Side::Client, "levels.v1.Pricing/Quote").expect("somebody wants it");
        assert!(call.attempt(1).is_none());
        call.finish();
    }
    let levels: Vec<Level> = keeper.seen.lock().expect("not poisoned").iter().map(RpcInfo::level).collect();
    assert_eq!(levels, [Level::Detailed, Level::Base], "the tracer's word holds once the method is known");
}
