//! Operators act on a running service through the admin API: over its port, as curl would, and where it is mounted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hottap::rpc::Side;
use hottap::{CallContext, Hottap, Tracer};
use serde_json::{Value, json};

use crate::guests::{QUIET, Wat};
use crate::house::{House, assert_balanced};
use crate::log;
use crate::recovery::{REFUSES_REAL_CALLS, module};
use crate::stream::OpenStream;

/// Another generation of the same tracer.
const OTHER: Wat = Wat { items: "(global $other i32 (i32.const 1))", ..QUIET };
const REFUSES: Wat = Wat { init: crate::guests::INIT_REFUSES, ..QUIET };
/// Only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request, byte for byte: the status and everything after it.
#[track_caller]
fn send(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("an open port");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("sent");
    let mut answer = Vec::new();
    // It may be reset, with bytes of the request unread.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer:?}")), answer)
}

/// A service with an admin port, on which operators may act.
struct Desk {
    house: House,
    address: SocketAddr,
}

impl Desk {
    fn new() -> Self {
        let desk = Self::without_actions(House::with(Hottap::builder().admin("127.0.0.1:0")));
        desk.configure("[admin]\nactions = true\n");
        desk
    }

    fn without_actions(house: House) -> Self {
        let address = house.tap.admin_address().expect("it listens");
        Self { house, address }
    }

    /// Waits until a configuration is in effect.
    fn configure(&self, config: &str) {
        let marked = |name: &str| format!("{config}\n[destinations.{name}]\nurl = \"stdout:\"\ntracers = []\n");
        let is_there = |name: &str| !self.house.destination(name).is_null();
        let name = if is_there("one") { "two" } else { "one" };
        self.house.configure(&marked(name));
        self.house.until_destination(name, "there", |destination| !destination.is_null());
    }

    /// Has a tracer acted on, as curl on this machine would ask for it.
    #[track_caller]
    fn ask(&self, path: &str) -> (u16, Value) {
        let Self { address, .. } = self;
        let (status, answer) =
            send(*address, format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes());
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    /// The same for an action that can be done. On a busy machine one may be under way for longer than an answer waits; to ask
    /// again then changes nothing.
    #[track_caller]
    fn done(&self, path: &str) -> Value {
        let began = Instant::now();
        loop {
            let (status, answer) = self.ask(path);
            assert!(matches!(status, 200 | 202), "{path}: {status} {answer:#}");
            assert_eq!(answer["done"], status == 200, "{answer:#}");
            if status == 200 {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{answer:#}");
        }
    }

    /// The same for an action that would do more when it is asked for again.
    #[track_caller]
    fn taken(&self, path: &str) {
        let (status, answer) = self.ask(path);
        assert!(matches!(status, 200 | 202), "{path}: {status} {answer:#}");
    }

    #[track_caller]
    fn conflict(&self, path: &str, says: &str) {
        // A load may take longer than an answer waits.
        let mut asked = std::iter::repeat_with(|| self.ask(path));
        let (status, answer) = asked.find(|(status, _)| *status != 202).expect("it goes on");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 409 && error.contains(says), "{path}: {status} {answer:#}");
        assert!(answer["what_to_do"].as_str().is_some_and(|words| !words.is_empty()), "{answer:#}");
    }

    /// A tracer that is live.
    #[track_caller]
    fn live(&self, name: &str, guest: &Wat) -> Value {
        self.house.drop_in(&format!("{name}.wasm"), guest.component());
        self.house.until_live(name)
    }
}

fn count(tracer: &Value, term: &str) -> u64 {
    tracer[term].as_u64().unwrap_or_else(|| panic!("no {term}: {tracer:#}"))
}

#[test]
fn actions_are_off_until_the_configuration_turns_them_on_and_off_again() {
    let desk = Desk::without_actions(House::with(Hottap::builder().admin("127.0.0.1:0")));
    desk.live("quiet", &QUIET);
    let off = |desk: &Desk, says: &str| {
        for path in ["/api/tracers/quiet/pause", "/api/tracers/nobody/pause", "/api/pause"] {
            let (status, answer) = desk.ask(path);
            let error = answer["error"].as_str().unwrap_or_default();
            assert!(status == 403 && error.contains(says), "{path}: {status} {answer:#}");
            let what_to_do = answer["what_to_do"].as_str().unwrap_or_default();
            assert!(what_to_do.contains("actions = true under [admin] in hottap.toml"), "{what_to_do}");
        }
        assert_eq!(desk.house.tap.tracers()["actions"], false);
    };
    off(&desk, "hottap.toml has no actions = true");
    desk.configure("[admin]\nactions = true\n");
    assert_eq!(desk.house.tap.tracers()["actions"], true);
    assert_eq!(desk.done("/api/tracers/quiet/pause")["state"], "paused");
    desk.configure("[admin]\nactions = false\n");
    off(&desk, "hottap.toml has no actions = true");
    desk.configure("");
    off(&desk, "hottap.toml has no actions = true");
    assert_eq!(desk.house.tracer("quiet")["state"], "paused", "what was done stays");
}

#[test]
fn a_paused_tracer_gets_no_calls_and_has_committed_what_it_had() {
    let desk = Desk::new();
    let house = &desk.house;
    let first = desk.live("held", &QUIET);
    desk.live("other", &QUIET);
    house.calls(1_000);
    let answer = desk.done("/api/tracers/held/pause");
    let expected = json!({ "action": "pause", "done": true, "tracer": "held", "state": "paused", "generation": first["generation"] });
    assert_eq!(answer, expected);
    let held = house.tracer("held");
    assert_balanced(&held);
    assert_eq!((count(&held, "committed"), count(&held, "pending")), (1_000, 0), "{held:#}");
    assert_eq!((&held["state"], &held["hold"]), (&json!("paused"), &json!("paused")));
    assert_eq!(house.metric("hottap_tracer_live{tracer=\"held\"}"), Some(0.0));
    house.calls(500);
    assert_eq!(house.settled("other", 1_500)["committed"], 1_500);
    assert_eq!(count(&house.tracer("held"), "finished"), 1_000);
    desk.done("/api/tracers/held/pause");
    assert_eq!(desk.done("/api/tracers/held/resume")["state"], "live");
    house.calls(100);
    assert_eq!(house.settled("held", 1_100)["committed"], 1_100);
    assert_eq!(desk.done("/api/tracers/held/resume")["state"], "live", "nothing is to be done");
    assert!(house.tracer("held")["hold"].is_null());
}

#[test]
fn the_books_balance_while_operators_act_under_load() {
    let desk = Desk::new();
    let house = &desk.house;
    for name in ["acted-on", "other"] {
        desk.live(name, &QUIET);
    }
    house.drop_in("acted-on.wasm", OTHER.component());
    house.until("acted-on", "swapped", |tracer| count(tracer, "loads") == 2);
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    house.calls(10);
                    made.fetch_add(10, Ordering::Relaxed);
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            });
        }
        for _ in 0..3 {
            for verb in ["pause", "resume", "reload", "disable", "enable"] {
                desk.taken(&format!("/api/tracers/acted-on/{verb}"));
                ["acted-on", "other"].into_iter().for_each(|name| assert_balanced(&house.tracer(name)));
            }
            house.until_live("acted-on");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let made = made.load(Ordering::Relaxed);
    let other = house.settled("other", made);
    assert_eq!((count(&other, "committed"), &other["dropped"]), (made, &json!({})), "{other:#}");
    let tracer = house.until("acted-on", "settled", |tracer| count(tracer, "pending") == 0);
    assert_balanced(&tracer);
    let finished = count(&tracer, "finished");
    assert!(finished > 0 && finished <= made, "{tracer:#}");
    assert_eq!((count(&tracer, "committed"), &tracer["dropped"]), (finished, &json!({})), "{tracer:#}");
}

#[test]
fn a_paused_tracer_starts_no_calls() {
    let desk = Desk::new();
    let house = &desk.house;
    desk.live("starts", &Wat { start: "nop", ..QUIET });
    let starts = || house.metric("hottap_starts_total{tracer=\"starts\"}");
    house.calls(10);
    assert_eq!(starts(), Some(10.0));
    desk.done("/api/tracers/starts/pause");
    house.calls(10);
    assert_eq!(starts(), Some(10.0));
    assert!(house.tap.start_call(Side::Server, "house.v1.House/Call").is_none(), "no other tracer wants it");
    desk.done("/api/tracers/starts/resume");
    house.calls(10);
    assert_eq!(starts(), Some(20.0));
    assert_eq!(house.settled("starts", 20)["committed"], 20);
}

#[test]
fn an_open_stream_is_followed_on_after_a_pause_and_not_during_it() {
    let desk = Desk::new();
    let house = &desk.house;
    desk.live("follows", &Wat { progress: "(call $drop-moments (local.get 0))", ..QUIET });
    let mut stream = OpenStream::grpc(&house.tap, "house.v1.House/Watch", 1_000);
    stream.messages(10);
    desk.done("/api/tracers/follows/pause");
    let paused = house.settled_moments("follows", 10);
    assert_eq!(paused["moments"]["committed"], 10, "{paused:#}");
    stream.messages(100);
    desk.done("/api/tracers/follows/resume");
    stream.messages(5);
    house.settled_moments("follows", 15);
    stream.end();
    let tracer = house.settled("follows", 1);
    assert_eq!(tracer["moments"]["dropped"], json!({}), "{tracer:#}");
}

#[test]
fn nothing_of_a_paused_tracer_runs() {
    let desk = Desk::new();
    let house = &desk.house;
    desk.live("quiet", &QUIET);
    house.calls(10);
    desk.done("/api/tracers/quiet/pause");
    let before = count(&house.tracer("quiet"), "cpu_ns");
    // The other tracer's flushes show that more than a period has passed.
    desk.live("clock", &QUIET);
    for round in 1..=3 {
        house.calls(1);
        house.settled("clock", round);
    }
    assert_eq!(count(&house.tracer("quiet"), "cpu_ns"), before);
}

#[test]
fn a_changed_file_of_a_paused_tracer_is_loaded_and_waits() {
    let desk = Desk::new();
    let house = &desk.house;
    let first = desk.live("quiet", &QUIET)["generation"].clone();
    house.calls(10);
    desk.done("/api/tracers/quiet/pause");
    house.drop_in("quiet.wasm", OTHER.component());
    let second = house.until("quiet", "swapped", |tracer| tracer["generation"] != first);
    assert_eq!(second["state"], "paused");
    house.calls(10);
    // Deploys that remove a file and put it back do not end a pause.
    house.remove("quiet.wasm");
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
    house.drop_in("quiet.wasm", QUIET.component());
    let third = house.until("quiet", "back", |tracer| tracer["state"] == "paused");
    assert_eq!((&third["generation"], &third["hold"]), (&first, &json!("paused")));
    house.calls(10);
    assert_eq!(count(&house.tracer("quiet"), "finished"), 10);
    assert_eq!(desk.done("/api/tracers/quiet/resume")["state"], "live");
    house.calls(10);
    assert_eq!(house.settled("quiet", 20)["committed"], 20);
}

#[test]
fn a_disabled_tracer_is_unloaded_until_it_is_enabled() {
    let desk = Desk::new();
    let house = &desk.house;
    desk.live("quiet", &QUIET);
    house.calls(100);
    assert_eq!(desk.done("/api/tracers/quiet/disable")["state"], "disabled");
    let disabled = house.tracer("quiet");
    assert_eq!((count(&disabled, "committed"), count(&disabled, "pending")), (100, 0), "{disabled:#}");
    assert_eq!((&disabled["hold"], &disabled["generation"]), (&json!("disabled"), &Value::Null));
    assert!(house.tap.start_call(Side::Server, "house.v1.House/Call").is_none());
    desk.conflict("/api/tracers/quiet/reload", "it is disabled");
    desk.conflict("/api/tracers/quiet/pause", "it is disabled");
    desk.conflict("/api/tracers/quiet/resume", "it is disabled, not paused");
    desk.conflict("/api/tracers/quiet/rollback", "no generation of it is live");
    // A file that comes meanwhile is not loaded: that one could not be.
    house.drop_in("quiet.wasm", "no module");
    desk.live("other", &QUIET);
    let still = house.tracer("quiet");
    assert_eq!((&still["state"], &still["last_error"]), (&json!("disabled"), &Value::Null), "{still:#}");
    house.drop_in("quiet.wasm", OTHER.component());
    desk.done("/api/tracers/quiet/enable");
    house.until_live("quiet");
    house.calls(10);
    assert_eq!(house.settled("quiet", 110)["committed"], 110);
    // What the manifest says is the manifest's.
    house.drop_in("quiet.toml", "enabled = false\n");
    house.until("quiet", "disabled", |tracer| tracer["state"] == "disabled");
    desk.conflict("/api/tracers/quiet/enable", "its manifest disables it");
}

#[test]
fn a_rollback_goes_back_one_generation_and_a_reload_forward_again() {
    let desk = Desk::new();
    let house = &desk.house;
    let first = desk.live("quiet", &QUIET)["generation"].clone();
    desk.conflict("/api/tracers/quiet/rollback", "no generation before this one");
    house.drop_in("quiet.wasm", OTHER.component());
    let second = house.until("quiet", "swapped", |tracer| tracer["generation"] != first)["generation"].clone();
    house.calls(100);
    desk.taken("/api/tracers/quiet/rollback");
    let tracer = house.until("quiet", "rolled back", |tracer| tracer["generation"] == first);
    assert_eq!((&tracer["state"], &tracer["rejected"]), (&json!("live"), &second), "{tracer:#}");
    desk.conflict("/api/tracers/quiet/rollback", "no generation before this one");
    // The files of the other one are still there. A changed grant has them looked at, and they are not loaded.
    desk.configure("[admin]\nactions = true\n[tracers.other]\nlevel = \"detailed\"\n");
    house.calls(100);
    assert_eq!(house.settled("quiet", 200)["generation"], first);
    desk.taken("/api/tracers/quiet/reload");
    let tracer = house.until("quiet", "loaded again", |tracer| tracer["generation"] == second);
    assert!(tracer["rejected"].is_null() && tracer["last_error"].is_null(), "{tracer:#}");
    house.calls(100);
    assert_eq!(house.settled("quiet", 300)["committed"], 300);
    // A reload of what is live loads it once more, and does not forget the one to go back to.
    desk.taken("/api/tracers/quiet/reload");
    let tracer = house.until("quiet", "loaded again", |tracer| count(tracer, "loads") == 5);
    assert_eq!(tracer["generation"], second);
    desk.taken("/api/tracers/quiet/rollback");
    house.until("quiet", "rolled back", |tracer| tracer["generation"] == first);
    house.calls(100);
    assert_eq!(house.settled("quiet", 400)["committed"], 400);
}

#[test]
fn a_reload_of_what_cannot_be_loaded_says_why_and_changes_nothing() {
    let desk = Desk::new();
    let house = &desk.house;
    let live = desk.live("quiet", &QUIET)["generation"].clone();
    house.drop_in("quiet.wasm", REFUSES.component());
    house.until("quiet", "refused", |tracer| !tracer["last_error"].is_null());
    desk.conflict("/api/tracers/quiet/reload", "init refused: not today");
    let tracer = house.tracer("quiet");
    assert_eq!((&tracer["state"], &tracer["generation"]), (&json!("live"), &live));
    house.drop_in("never.wasm", REFUSES.component());
    house.until("never", "refused", |tracer| tracer["state"] == "refused");
    desk.conflict("/api/tracers/never/reload", "init refused: not today");
    desk.conflict("/api/tracers/never/rollback", "no generation of it is live");
    assert_eq!(desk.done("/api/tracers/never/pause")["state"], "refused");
    house.drop_in("never.wasm", QUIET.component());
    house.until("never", "loaded", |tracer| tracer["state"] == "paused");
}

#[test]
fn a_quarantined_tracer_is_paused_disabled_and_reloaded_like_any_other() {
    let desk = Desk::new();
    let house = &desk.house;
    house.drop_in("broken.wasm", module("", REFUSES_REAL_CALLS, ""));
    house.until_live("broken");
    let began = Instant::now();
    let mut made = 0;
    while house.tracer("broken")["state"] != "quarantined" {
        house.calls(7);
        made += 7;
        assert!(began.elapsed() < PATIENCE, "{:#}", house.tracer("broken"));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let answer = desk.done("/api/tracers/broken/pause");
    assert_eq!((&answer["done"], &answer["state"]), (&json!(true), &json!("paused")), "it has no work to end");
    house.calls(10);
    assert_balanced(&house.tracer("broken"));
    let loads = count(&house.tracer("broken"), "loads");
    desk.taken("/api/tracers/broken/reload");
    house.until("broken", "loaded again", |tracer| count(tracer, "loads") == loads + 1 && tracer["state"] == "paused");
    desk.done("/api/tracers/broken/disable");
    let tracer = house.until("broken", "disabled", |tracer| tracer["state"] == "disabled");
    assert_balanced(&tracer);
    assert_eq!((count(&tracer, "finished"), count(&tracer, "pending")), (made, 0), "{tracer:#}");
}

struct Counts(std::sync::Arc<AtomicU64>);

impl Tracer for Counts {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, _: &CallContext) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn pause_all_is_the_kill_switch_until_resume_all() {
    let seen = std::sync::Arc::new(AtomicU64::new(0));
    let builder = Hottap::builder().admin("127.0.0.1:0").tracer(Counts(seen.clone()));
    let desk = Desk::without_actions(House::with(builder));
    desk.configure("[admin]\nactions = true\n");
    let house = &desk.house;
    desk.live("one", &QUIET);
    desk.live("two", &Wat { start: "nop", ..QUIET });
    desk.done("/api/tracers/two/pause");
    house.calls(100);
    assert_eq!(desk.done("/api/pause"), json!({ "action": "pause-all", "done": true }));
    let all = house.tap.tracers();
    assert_eq!((&all["paused_all"], &all["disabled"]), (&json!(true), &json!(true)));
    let one = house.tracer("one");
    assert_eq!((&one["state"], &one["hold"]), (&json!("paused"), &Value::Null));
    assert_eq!((count(&one, "committed"), count(&one, "pending")), (100, 0), "{one:#}");
    assert_eq!(house.metric("hottap_paused"), Some(1.0));
    for side in [Side::Server, Side::Client, Side::Endpoint] {
        assert!(house.tap.start_call(side, "house.v1.House/Call").is_none(), "{side:?}");
    }
    assert_eq!(seen.load(Ordering::Relaxed), 100);
    // What comes and what is ended meanwhile waits for the switch.
    house.drop_in("new.wasm", QUIET.component());
    house.until("new", "loaded", |tracer| tracer["state"] == "paused");
    desk.conflict("/api/tracers/one/resume", "all tracers are paused");
    assert_eq!(desk.done("/api/tracers/two/resume")["state"], "paused");
    desk.done("/api/tracers/one/pause");
    house.calls(100);
    assert_eq!(desk.done("/api/resume"), json!({ "action": "resume-all", "done": true }));
    assert_eq!(house.tap.tracers()["disabled"], false);
    assert_eq!(house.metric("hottap_paused"), Some(0.0));
    house.calls(10);
    assert_eq!(seen.load(Ordering::Relaxed), 110);
    for (name, finished, state) in [("one", 100, "paused"), ("two", 10, "live"), ("new", 10, "live")] {
        let tracer = house.settled(name, finished);
        assert_eq!((&tracer["state"], count(&tracer, "committed")), (&json!(state), finished), "{tracer:#}");
    }
}

#[test]
fn the_kill_switch_needs_no_plugin_dir() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("hottap.toml");
    std::fs::write(&config, "[admin]\nactions = true\n").expect("written");
    let seen = std::sync::Arc::new(AtomicU64::new(0));
    let tap = Hottap::builder().admin("127.0.0.1:0").config(config).tracer(Counts(seen.clone())).start();
    let tap = tap.expect("it starts");
    let address = tap.admin_address().expect("it listens");
    let ask = |path: &str| {
        send(address, format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).0
    };
    let is_traced = || tap.start_call(Side::Server, "m").is_some();
    assert!(is_traced());
    assert_eq!((ask("/api/pause"), is_traced()), (200, false));
    assert_eq!(ask("/api/tracers/nobody/pause"), 404);
    assert_eq!((ask("/api/resume"), is_traced()), (200, true));
    tap.shutdown(PATIENCE);
    assert_eq!((ask("/api/resume"), is_traced()), (409, false), "a shutdown is for good");
}

#[test]
fn what_may_not_act_changes_nothing() {
    let desk = Desk::new();
    let (house, address) = (&desk.house, desk.address);
    desk.live("quiet", &QUIET);
    let long = format!("POST /api/tracers/{}/pause HTTP/1.1\r\nhost: localhost\r\n", "x".repeat(4_000));
    let pause = "POST /api/tracers/quiet/pause HTTP/1.1\r\n";
    let with = |headers: &str| format!("{pause}{headers}");
    for (head, expected) in [
        (with("host: evil.example\r\n"), 403),
        (with(""), 403),
        (with("host: localhost\r\nhost: evil.example\r\n"), 403),
        (with("host: localhost:9600\r\norigin: http://evil.example\r\n"), 403),
        (with("host: localhost:9600\r\norigin: null\r\n"), 403),
        (with("host: localhost\r\nsec-fetch-site: cross-site\r\n"), 403),
        (with("host: localhost\r\nx-forwarded-for: 192.0.2.1\r\n"), 403),
        (with("host: evil.example:9600\r\norigin: http://evil.example:9600\r\n"), 403),
        ("POST http://evil.example/api/tracers/quiet/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 403),
        ("GET /api/tracers/quiet/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 405),
        ("OPTIONS /api/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 405),
        ("PUT /api/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 405),
        ("POST /api/tracers/nobody/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 404),
        ("POST /api/tracers/../quiet/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 405),
        ("POST /api/tracers/%71uiet/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 404),
        ("POST /api/tracers/.quiet/pause HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 404),
        (long, 404),
        ("POST /api/tracers/quiet/PAUSE HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 405),
    ] {
        let (status, answer) = send(address, format!("{head}connection: close\r\n\r\n").as_bytes());
        assert_eq!(status, expected, "{head}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control"), "no page is let in: {answer}");
    }
    for bytes in [&b"POST /api/tracers/qu\xffiet/pause HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"[..], {
        b"POST /api/tracers/quiet/pause HTTP/1.1\r\nhost: \xff\r\nconnection: close\r\n\r\n"
    }] {
        let (status, answer) = send(address, bytes);
        assert!((400..500).contains(&status), "{answer}");
    }
    let tracer = house.tracer("quiet");
    assert_eq!((&tracer["state"], &tracer["hold"]), (&json!("live"), &Value::Null));
    house.calls(10);
    assert_eq!(house.settled("quiet", 10)["committed"], 10);
    assert_eq!(house.metric("hottap_admin_actions_total{action=\"pause\",result=\"refused\"}"), Some(10.0));
    assert_eq!(house.metric("hottap_admin_actions_total{action=\"pause\",result=\"done\"}"), Some(0.0));
}

#[test]
fn a_configured_token_is_needed_by_all_and_stands_in_no_log_or_answer() {
    log::listen();
    let desk = Desk::new();
    let (house, address) = (&desk.house, desk.address);
    desk.live("tokened", &QUIET);
    let file = house.outside().join("token");
    desk.configure(&format!("[admin]\nactions = true\ntoken = {{ file = {:?} }}\n", file.display().to_string()));
    let ask = |host: &str, authorization: &str| {
        let head = "POST /api/tracers/tokened/pause HTTP/1.1";
        send(address, format!("{head}\r\nhost: {host}\r\n{authorization}connection: close\r\n\r\n").as_bytes())
    };
    let mut answers = String::new();
    let mut check = |host: &str, authorization: &str, expected: u16| {
        let (status, answer) = ask(host, authorization);
        assert_eq!(status, expected, "{host} {authorization}: {answer}");
        assert_eq!(answer.contains("www-authenticate: Bearer"), expected == 401, "{answer}");
        answers.push_str(&answer);
    };
    // It is configured and cannot be read: that is not the same as none.
    check("localhost", "", 403);
    check("localhost", "authorization: Bearer \r\n", 403);
    std::fs::write(&file, "t0p-s3cret\n").expect("written");
    check("localhost", "", 401);
    check("localhost", "authorization: Bearer gu3ssed\r\n", 401);
    check("localhost", "authorization: Bearer t0p-s3cret\r\norigin: http://evil.example\r\n", 403);
    check("shop.internal:9600", "authorization: Bearer t0p-s3cret\r\n", 200);
    // The next one counts at once.
    std::fs::write(&file, "n3xt-s3cret").expect("written");
    check("localhost", "authorization: Bearer t0p-s3cret\r\n", 401);
    check("localhost", "authorization: bearer n3xt-s3cret\r\n", 200);
    let said = format!("{answers}{}{}{}", log::lines(), house.tap.tracers(), house.tap.destinations());
    for secret in ["t0p-s3cret", "n3xt-s3cret", "gu3ssed"] {
        assert!(!said.contains(secret), "{secret} is told");
    }
    assert!(log::lines().contains("no action is taken: the file"), "the log tells what is wrong with it");
    assert_eq!(house.metric("hottap_admin_actions_total{action=\"pause\",result=\"refused\"}"), Some(6.0));
}

#[test]
fn where_it_is_mounted_a_token_is_needed() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let desk = Desk::new();
    desk.live("quiet", &QUIET);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let router = axum::Router::new().nest_service("/ops", desk.house.tap.admin());
    let ask = |authorization: &str| {
        let request = http::Request::post("/ops/api/tracers/quiet/pause").header("host", "localhost");
        let request = request.header("authorization", authorization).body(axum::body::Body::empty()).expect("valid");
        let response = runtime.block_on(router.clone().oneshot(request)).expect("it never fails");
        let status = response.status().as_u16();
        let body = runtime.block_on(response.into_body().collect()).expect("it is whole").to_bytes();
        (status, serde_json::from_slice::<Value>(&body).expect("JSON"))
    };
    let (status, answer) = ask("Bearer s3cret");
    assert_eq!(status, 403, "{answer:#}");
    assert!(answer["error"].as_str().is_some_and(|words| words.contains("does not come from this machine")));
    let file = desk.house.outside().join("token");
    std::fs::write(&file, "s3cret").expect("written");
    desk.configure(&format!("[admin]\nactions = true\ntoken = {{ file = {:?} }}\n", file.display().to_string()));
    assert_eq!(ask("Bearer s3cret").0, 200);
    assert_eq!(ask("Bearer secret").0, 401);
    assert_eq!(desk.house.tracer("quiet")["state"], "paused");
}

#[test]
#[ignore = "needs curl"]
fn the_readmes_commands_act_as_they_stand() {
    let curl = fixtures::peer("HOTTAP_TEST_CURL");
    let desk = Desk::new();
    let house = &desk.house;
    let token = house.outside().join("token");
    std::fs::write(&token, "s3cret").expect("written");
    desk.configure(&format!("[admin]\nactions = true\ntoken = {{ file = {:?} }}\n", token.display().to_string()));
    desk.live("audit", &QUIET);
    house.drop_in("audit.wasm", OTHER.component());
    house.until("audit", "swapped", |tracer| count(tracer, "loads") == 2);
    let readme = include_str!("../../../../README.md");
    let (_, rest) = readme.split_once("```sh\nact() {").expect("its commands");
    let (commands, _) = rest.split_once("\n```").expect("they end");
    let script = format!("act() {{{commands}").replace("127.0.0.1:9600", &desk.address.to_string());
    let script = script.replace("curl ", "\"$CURL\" -sS --fail-with-body -m 60 ");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-e", "-c", &script]).env("CURL", curl).env("HOTTAP_ADMIN_TOKEN", "s3cret");
    let output = shell.output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let actions: Vec<String> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {said}")))
        .map(|answer| answer["action"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(actions, ["pause", "resume", "rollback", "reload", "disable", "pause-all"]);
    assert_eq!(house.tap.tracers()["paused_all"], true);
    house.until("audit", "disabled", |tracer| tracer["state"] == "disabled");
}

#[test]
fn each_action_is_one_line_in_the_log_and_is_counted() {
    log::listen();
    let desk = Desk::new();
    desk.live("logged-action", &QUIET);
    desk.done("/api/tracers/logged-action/pause");
    desk.conflict("/api/tracers/logged-action/rollback", "no generation before this one");
    let log = log::lines();
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("an operator's action") && line.contains("logged-action")).collect();
    let [paused, conflict] = lines[..] else { panic!("{lines:#?}") };
    for (line, words) in [
        (
            paused,
            &["action=\"pause\"", "proof=\"loopback\"", "result=\"done\"", "state=\"paused\"", "peer=127.0.0.1:"][..],
        ),
        (conflict, &["action=\"rollback\"", "result=\"conflict\"", "reason=\"there is no generation before this one"]),
    ] {
        words.iter().for_each(|words| assert!(line.contains(words), "{words} is not in {line}"));
    }
    let counted = |action: &str, result: &str| {
        desk.house.metric(&format!("hottap_admin_actions_total{{action=\"{action}\",result=\"{result}\"}}"))
    };
    assert_eq!((counted("pause", "done"), counted("rollback", "conflict")), (Some(1.0), Some(1.0)));
    assert_eq!((counted("reload", "done"), counted("pause-all", "unknown")), (Some(0.0), Some(0.0)));
}

#[test]
fn after_a_shutdown_nothing_is_acted_on() {
    let desk = Desk::new();
    desk.live("quiet", &QUIET);
    assert!(desk.house.tap.shutdown(PATIENCE));
    let (status, answer) = desk.ask("/api/tracers/quiet/pause");
    assert_eq!((status, &answer["error"]), (503, &json!("Hottap was shut down")));
    assert_eq!(desk.ask("/api/resume").0, 409);
}
