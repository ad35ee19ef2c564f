//! A tracer that fails loses only the calls on which it fails alone; a generation that is at fault is rolled back or
//! given up, and tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hottap::rpc::{RpcNotes, Side};
use hottap::{CallContext, Hottap, Tracer};
use serde_json::{Value, json};

use crate::guests::QUIET;
use crate::house::{House, assert_balanced};

/// Traps on rows whose id leaves 7 when divided by a number; those of the canary do not.
const POISON: &str = r#"
    (global $at (mut i32) (i32.const 0))
    (func $look (param $batch i32)
      (local $i i32)
      (call $ids (local.get $batch) (i32.const 16))
      (local.set $i (i32.load (i32.const 20)))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $i)))
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (if (i64.eq (i64.const 7) (i64.rem_u
              (i64.load (i32.add (i32.load (i32.const 16)) (i32.shl (local.get $i) (i32.const 3))))
              (i64.const EVERY)))
          (then unreachable))
        (br $next))))"#;

/// A core module of the contract: the host makes a component of it.
pub(crate) fn module(items: &str, finish: &str, flush: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
          (import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.ids" (func $ids (param i32 i32)))
          (import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.len" (func $len (param i32) (result i32)))
          (memory (export "memory") 4)
          (global $calls (mut i32) (i32.const 0))
          (global $rows (mut i32) (i32.const 0))
          {items}
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "hottap:tracer/tracer@0.1.0-draft#init")
            (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
          (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param $batch i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            {finish}
            (call $drop (local.get $batch)))
          (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64) {flush}))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Traps on one call of `every`.
fn poisoned(every: u64) -> Vec<u8> {
    module(&POISON.replace("EVERY", &every.to_string()), "(call $look (local.get $batch))", "")
}

fn count(tracer: &Value, term: &str) -> u64 {
    tracer[term].as_u64().unwrap_or_else(|| panic!("no {term}: {tracer:#}"))
}

/// Counts the calls on which the poisoned tracers fail: other tests make calls in the same process.
struct Hits(Arc<AtomicU64>);

impl Tracer for Hits {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        self.0.fetch_add(u64::from(call.info().id() % 400 == 7), Ordering::Relaxed);
    }
}

#[test]
fn a_row_that_fails_alone_is_dead_and_all_others_are_committed() {
    let hits = Arc::new(AtomicU64::new(0));
    let house = House::with(Hottap::builder().tracer(Hits(hits.clone())));
    house.configure("[tracers.shown]\ndead_letters = \"whole\"\n[destinations.any]\nurl = \"stdout:\"\ntracers = []\n");
    house.until_destination("any", "there", |any| !any.is_null());
    for name in ["picky", "shown"] {
        house.drop_in(&format!("{name}.wasm"), poisoned(400));
    }
    house.drop_in("good.wasm", QUIET.component());
    for name in ["picky", "shown", "good"] {
        house.until_live(name);
    }
    let before = hits.load(Ordering::Relaxed);
    let mut made = 0;
    while hits.load(Ordering::Relaxed) < before + 3 {
        let mut call = house.tap.start_call(Side::Server, "house.v1.House/Call").expect("tracers want it");
        call.note(&RpcNotes::new().tag("tenant", "acme"));
        call.finish();
        made += 1;
    }
    let good = house.settled("good", made);
    assert_eq!((&good["committed"], &good["dropped"]), (&json!(made), &json!({})));
    for (name, sees_texts) in [("picky", false), ("shown", true)] {
        let tracer = house.settled(name, made);
        let expected = (Some(3), Some(made - 3), &json!({}), &json!("live"));
        let found = (tracer["dead"].as_u64(), tracer["committed"].as_u64(), &tracer["dropped"], &tracer["state"]);
        assert_eq!(found, expected, "{tracer:#}");
        assert!(tracer["last_error"]["message"].as_str().is_some_and(|words| words.contains("trapped in finish")));
        let letters = dead_letters(&house, name);
        assert_eq!((count(&letters, "dead"), letters["letters"].as_array().map(Vec::len)), (3, Some(3)));
        let letter = &letters["letters"][0];
        assert_eq!(letter["call"]["id"].as_u64().map(|id| id % 400), Some(7), "{letter:#}");
        assert_eq!(letter["call"]["method"], "house.v1.House/Call");
        assert_eq!(letter["call"]["tags"]["tenant"] == "acme", sees_texts, "{letter:#}");
        assert!(letter["error"].as_str().is_some_and(|words| words.contains("trapped in finish")), "{letter:#}");
        assert_eq!(house.metric(&format!("hottap_calls_dead_total{{tracer=\"{name}\"}}")), Some(3.0));
    }
}

/// The page of a tracer's dead letters.
fn dead_letters(house: &House, name: &str) -> Value {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let request = http::Request::get(format!("/api/tracers/{name}/dead")).body(()).expect("valid");
    let response = runtime.block_on(house.tap.admin().oneshot(request)).expect("it never fails");
    assert_eq!(response.status(), 200);
    let body = runtime.block_on(response.into_body().collect()).expect("it is whole").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

#[test]
fn a_tracer_that_traps_at_every_400th_call_loses_none() {
    let house = House::new();
    let finish = "(global.set $rows (i32.add (global.get $rows) (call $len (local.get $batch))))
        (if (i32.gt_u (global.get $rows) (i32.const 400)) (then unreachable))";
    house.drop_in("every.wasm", module("", finish, ""));
    house.until_live("every");
    for _ in 0..20 {
        house.calls(200);
        std::thread::park_timeout(Duration::from_millis(25));
    }
    let tracer = house.settled("every", 4_000);
    assert_eq!((count(&tracer, "committed"), count(&tracer, "dead"), &tracer["dropped"]), (4_000, 0, &json!({})));
    assert!(count(&tracer, "traps") > 0, "{tracer:#}");
}

#[test]
fn a_flush_that_traps_loses_nothing_as_long_as_one_batch_goes_through() {
    let house = House::new();
    let flush = "(if (i32.gt_u (global.get $calls) (i32.const 2)) (then unreachable))";
    house.drop_in("flush.wasm", module("", "", flush));
    house.until_live("flush");
    for _ in 0..10 {
        house.calls(50);
        std::thread::park_timeout(Duration::from_millis(40));
    }
    let tracer = house.settled("flush", 500);
    assert_eq!((count(&tracer, "committed"), count(&tracer, "dead"), &tracer["dropped"]), (500, 0, &json!({})));
    assert!(count(&tracer, "traps") > 0, "{tracer:#}");
}

/// Fails on every batch but the canary's, whose calls are a multiple of six, and none at all.
pub(crate) const REFUSES_REAL_CALLS: &str =
    "(if (i32.eqz (i32.rem_u (call $len (local.get $batch)) (i32.const 6))) (then)
    (else unreachable))";

#[test]
fn a_generation_at_fault_is_rolled_back_and_loses_nothing() {
    let house = House::new();
    house.drop_in("tracer.wasm", QUIET.component());
    let first = house.until_live("tracer")["generation"].clone();
    house.calls(100);
    house.settled("tracer", 100);
    house.drop_in("tracer.wasm", module("", "", ""));
    house.until("tracer", "swapped", |tracer| tracer["generation"] != first && tracer["state"] == "live");
    house.drop_in("tracer.wasm", module("", REFUSES_REAL_CALLS, ""));
    let bad = house.until("tracer", "swapped again", |tracer| tracer["swaps"].as_array().map(Vec::len) == Some(2));
    let second = bad["swaps"][1]["from"].clone();
    let mut made = 100;
    let back = loop {
        house.calls(7);
        made += 7;
        let tracer = house.tracer("tracer");
        assert_balanced(&tracer);
        if tracer["generation"] == second {
            break tracer;
        }
        assert!(made < 100_000, "{tracer:#}");
        std::thread::park_timeout(Duration::from_millis(5));
    };
    assert_eq!(back["state"], "live");
    let message = back["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("was given up, because") && message.contains("trapped in finish"), "{message}");
    house.calls(100);
    let tracer = house.settled("tracer", made + 100);
    assert_eq!(tracer["dropped"], json!({}), "{tracer:#}");
    assert!(count(&tracer, "dead") <= 9, "{tracer:#}");
    // The bad files are still there, and are not loaded again.
    house.configure("[tracers.other]\nlevel = \"detailed\"\n");
    house.calls(7);
    assert_eq!(house.settled("tracer", made + 107)["generation"], second);
}

#[test]
fn a_first_generation_at_fault_is_quarantined_and_a_new_one_gets_its_calls() {
    let house = House::new();
    house.drop_in("tracer.wasm", module("", REFUSES_REAL_CALLS, ""));
    house.drop_in("good.wasm", QUIET.component());
    house.until_live("tracer");
    house.until_live("good");
    let mut made = 0;
    let bad = loop {
        house.calls(7);
        made += 7;
        let tracer = house.tracer("tracer");
        assert_balanced(&tracer);
        if tracer["state"] == "quarantined" {
            break tracer;
        }
        assert!(made < 100_000, "{tracer:#}");
        std::thread::park_timeout(Duration::from_millis(5));
    };
    let error = &bad["last_error"];
    assert!(error["message"].as_str().is_some_and(|words| words.starts_with("it was given up, because")), "{error:#}");
    assert!(error["meanwhile"].as_str().is_some_and(|words| words.contains("tried again")), "{error:#}");
    assert_eq!(house.metric("hottap_tracer_live{tracer=\"tracer\"}"), Some(0.0));
    house.calls(70);
    made += 70;
    house.drop_in("tracer.wasm", QUIET.component());
    let tracer = house.settled("tracer", made);
    assert_eq!((&tracer["state"], &tracer["dropped"]), (&json!("live"), &json!({})), "{tracer:#}");
    assert_eq!(count(&tracer, "committed") + count(&tracer, "dead"), made);
    assert_eq!(house.settled("good", made)["committed"], made);
}

#[test]
fn calls_that_wait_at_the_end_are_counted_as_lost_at_shutdown() {
    let house = House::new();
    house.drop_in("tracer.wasm", module("", REFUSES_REAL_CALLS, ""));
    house.until_live("tracer");
    house.calls(1_000);
    assert!(house.tap.shutdown(Duration::from_secs(10)));
    let tracer = house.tracer("tracer");
    assert_balanced(&tracer);
    assert_eq!((count(&tracer, "finished"), count(&tracer, "pending")), (1_000, 0), "{tracer:#}");
    assert_eq!(count(&tracer["dropped"], "shutdown"), 1_000 - count(&tracer, "committed") - count(&tracer, "dead"));
}
