//! The messages to the operator in the log, the API and the page of metrics, word for word.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hottap::rpc::Side;
use serde_json::{Value, json};

use crate::guests::{QUIET, Wat};
use crate::house::House;
use crate::log;

/// Words of the notices of a tracer.
fn notices(tracer: &Value) -> Vec<String> {
    let list = tracer["notices"].as_array().expect("a list");
    list.iter().map(|notice| format!("{}; {}", notice["message"], notice["what_to_do"]).replace('"', "")).collect()
}

/// A time as RFC 3339 has it, in UTC and to the millisecond.
#[track_caller]
fn assert_is_time(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{value}");
}

#[test]
fn the_api_tells_where_what_and_since_when() {
    let house = House::new();
    house.drop_in("told.toml", "[scope]\nsides = [\"server\"]\nsample = 0.5\n");
    house.drop_in("told.wasm", QUIET.component());
    let told = house.until_live("told");
    assert_eq!(house.tap.tracers()["plugin_dir"], json!(house.file("").display().to_string().trim_end_matches('/')));
    let scope = json!({
        "sides": ["server"], "methods": [], "exclude": [], "sample": 0.5, "detailed": null, "matched_nothing": [],
        "outcomes": ["ok", "business_error", "error", "cancelled", "timed_out", "panicked"],
    });
    assert_eq!(told["scope"], scope);
    assert_is_time(&told["since"]);
    assert_eq!((&told["level"], &told["wanted_level"]), (&json!("base"), &json!("base")));
    assert_eq!(notices(&told), [""; 0]);
    house.drop_in("told.wasm", "no module");
    let bad = house.until("told", "in trouble", |tracer| !tracer["last_error"].is_null());
    assert_is_time(&bad["last_error"]["at"]);
    assert!(bad["last_error"]["what_to_do"].as_str().is_some_and(|text| !text.is_empty()), "{bad:#}");
    assert!(hottap::Hottap::builder().start().expect("starts").tracers()["plugin_dir"].is_null());
}

#[test]
fn a_pattern_that_has_matched_nothing_so_far_is_named() {
    let house = House::new();
    house.drop_in("picky.toml", "[scope]\nsides = [\"server\"]\nmethods = [\"told.A/*\", \"told.Tpyo/*\", \"told.B/*\"]\nexclude = [\"told.A/Two\"]\n");
    house.drop_in("picky.wasm", QUIET.component());
    let unmatched = |tracer: &Value| tracer["scope"]["matched_nothing"].clone();
    let picky = house.until_live("picky");
    assert_eq!(unmatched(&picky), json!(["told.A/*", "told.Tpyo/*", "told.B/*", "told.A/Two"]));
    for method in ["told.A/One", "told.A/Two", "told.A/One"] {
        house.call(Side::Server, method, 0);
    }
    // On the other side, which is not in the scope; another tracer sees it.
    house.drop_in("all.wasm", QUIET.component());
    house.until_live("all");
    for _ in 0..3 {
        house.call(Side::Client, "told.B/Three", 0);
    }
    let picky = house.tracer("picky");
    assert_eq!(unmatched(&picky), json!(["told.Tpyo/*", "told.B/*"]));
    let words = "patterns of its scope have matched no call so far: `told.Tpyo/*` in `methods`, `told.B/*` in `methods`; \
                 if such calls have been made, correct [scope] in picky.toml";
    assert!(notices(&picky).iter().any(|notice| notice.starts_with(words)), "{:?}", notices(&picky));
    house.call(Side::Server, "told.B/Three", 0);
    assert_eq!(unmatched(&house.tracer("picky")), json!(["told.Tpyo/*"]), "seen on this side too");
}

#[test]
fn a_level_that_is_not_granted_is_told_once_and_with_what_to_write() {
    let module = fixtures::guest("scribe.wasm");
    log::listen();
    let house = House::new();
    house.configure("");
    let config = "[config]\ndestination = \"book\"\n";
    house.drop_in("leveller.toml", config);
    house.drop_in("leveller.wasm", &module);
    let capped = house.until_live("leveller");
    assert_eq!((&capped["level"], &capped["wanted_level"]), (&json!("base"), &json!("detailed")));
    let words = "it wants the level detailed and gets base: it does not see the events of calls; write level = ";
    let told = |tracer: &Value| notices(tracer).iter().any(|notice| notice.starts_with(words));
    assert!(told(&capped), "{capped:#}");
    assert!(notices(&capped).iter().any(|notice| notice.contains("under [tracers.leveller] in /")), "{capped:#}");
    // Another generation with the same levels is no news.
    house.drop_in("leveller.toml", format!("{config}[scope]\nsides = [\"server\"]\n"));
    house.until("leveller", "swapped", |tracer| tracer["loads"] == 2 && tracer["state"] == "live");
    house.drop_in("zz.wasm", QUIET.component());
    house.until_live("zz");
    let warned = || log::lines().lines().filter(|line| line.contains("leveller") && line.starts_with("WARN")).count();
    assert_eq!(warned(), 1, "{}", log::lines());
    house.configure("[tracers.leveller]\nlevel = \"detailed\"\n");
    let granted = house.until("leveller", "granted", |tracer| tracer["level"] == "detailed");
    assert!(!told(&granted), "{granted:#}");
    assert_eq!(warned(), 1);
}

#[test]
fn a_destination_that_a_tracer_cannot_use_is_told_with_what_to_write() {
    let house = House::new();
    house.drop_in("sender.toml", "destinations = [\"here\", \"nowhere\"]\n");
    house.drop_in("sender.wasm", QUIET.component());
    house.until_live("sender");
    house.configure(
        "[destinations.here]\nurl = \"stdout:\"\ntracers = [\"sendre\"]\n[tracers.setup]\nlevel = \"base\"\n",
    );
    let sender = house.until("sender", "told of", |tracer| tracer["destinations"]["here"] == "not_granted");
    let told = notices(&sender);
    assert!(told[0].contains("may not use the destination here") && told[0].contains("add \\sender\\ to"), "{told:?}");
    assert!(
        told[1].contains("nowhere is not defined") && told[1].contains("define [destinations.nowhere] in /"),
        "{told:?}"
    );
    assert_eq!(house.destination("here")["absent_tracers"], json!(["sendre"]));
    assert_eq!(house.tap.destinations()["absent_tracers"], json!(["setup"]));
}

#[test]
fn a_configuration_that_is_wrong_shows_on_the_page_of_metrics_until_it_is_mended() {
    let house = House::new();
    let (error, loaded) = ("hottap_config_error", "hottap_config_last_reload_success_timestamp_seconds");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    house.until_config_error("is not there");
    assert_eq!((house.metric(error), house.metric(loaded)), (Some(1.0), Some(0.0)), "it was never loaded");
    assert!(house.tap.destinations()["config_loaded_at"].is_null());
    let right = "[destinations.a]\nurl = \"stdout:\"\ntracers = []\n";
    let before = now();
    house.configure(right);
    house.until_destination("a", "there", |a| !a.is_null());
    let at = house.metric(loaded).expect("there");
    assert!(house.metric(error) == Some(0.0) && (before - 1.0..=now() + 1.0).contains(&at), "{at}");
    assert_is_time(&house.tap.destinations()["config_loaded_at"]);
    house.configure(&right.replace("url", "ulr"));
    house.until_config_error("did you mean `destinations.a.url`?");
    assert_eq!((house.metric(error), house.metric(loaded)), (Some(1.0), Some(at)));
    // What stood there before is put back.
    house.configure(right);
    let began = std::time::Instant::now();
    while house.metric(error) != Some(0.0) {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", house.tap.destinations());
        std::thread::park_timeout(Duration::from_millis(2));
    }
    assert!(house.metric(loaded) > Some(at));
    assert!(!hottap::Hottap::builder().start().expect("starts").metrics().contains("hottap_config"));
}

#[test]
fn the_log_has_whole_milliseconds() {
    log::listen();
    let house = House::new();
    house.drop_in("whole.wasm", QUIET.component());
    house.until_live("whole");
    house.drop_in("whole.wasm", Wat { items: "(global $other i32 (i32.const 1))", ..QUIET }.component());
    house.until("whole", "swapped", |tracer| tracer["loads"] == 2);
    house.drop_in("next.wasm", QUIET.component());
    house.until_live("next");
    for word in ["message=live", "message=swapped"] {
        let lines = log::lines();
        let line = lines.lines().find(|line| line.contains("\"whole\"") && line.contains(word)).expect("logged");
        let millis = line.split("millis=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a field");
        assert!(millis.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
    }
    let swap = house.tracer("whole")["swaps"][0]["ms"].as_f64().expect("a number");
    assert_eq!(swap, (swap * 10.0).round() / 10.0);
}
