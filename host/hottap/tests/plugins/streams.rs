//! Streams that are followed while they are open: what tracers see of them, and what bad ones do not do to others.

use serde_json::{Value, json};

use crate::guests::{QUIET, Wat};
use crate::house::{House, assert_balanced};
use crate::stream::{OpenStream, SIZE};

/// Takes what it is handed.
const FOLLOWS: Wat = Wat { progress: "(call $drop-moments (local.get 0))", ..QUIET };

/// An instance takes its first piece, as the canary does, and none after it.
macro_rules! after_one {
    ($body:literal) => {
        concat!(
            "(if (i32.gt_u (global.get $pieces) (i32.const 1)) (then ",
            $body,
            ")) (call $drop-moments (local.get 0))"
        )
    };
}

const TRAPS: Wat = Wat { progress: after_one!("unreachable"), ..QUIET };
const SPINS: Wat = Wat { progress: after_one!("(loop $for_ever (br $for_ever))"), ..QUIET };
const KEEPS_THE_HANDLE: Wat = Wat { progress: "(drop (local.get 0))", ..QUIET };

const WATCH: &str = "house.v1.House/Watch";

fn moments(tracer: &Value, term: &str) -> u64 {
    tracer.pointer(&format!("/moments/{term}")).and_then(Value::as_u64).unwrap_or(0)
}

#[test]
fn messages_are_counted_while_the_stream_is_open() {
    let module = fixtures::guest("tally.wasm");
    let house = House::new();
    house.drop_in("tally.wasm", &module);
    house.until_live("tally");
    // The first call's method earns its symbol only when it has finished.
    for (round, method) in [(1, ""), (2, WATCH)] {
        let mut stream = OpenStream::grpc(&house.tap, WATCH, 700);
        stream.messages(500);
        let sent = format!("{{tracer=\"tally\",kind=\"stream_send\",method=\"{method}\"}}");
        house.until("tally", "told", |tracer| {
            assert_balanced(tracer);
            moments(tracer, "committed") == 500 + (round - 1) * 700
        });
        assert_eq!(house.tracer("tally")["finished"], round - 1, "the call is still open");
        assert_eq!(house.metric(&format!("tally_messages_total{sent}")), Some(500.0));
        assert_eq!(house.metric(&format!("tally_bytes_total{sent}")), Some((500 * SIZE) as f64));
        stream.end();
        house.settled("tally", round);
        house.settled_moments("tally", round * 700);
    }
    let page = house.tap.metrics();
    assert_eq!(house.metric("tally_agreed_total{tracer=\"tally\"}"), Some(2.0), "{page}");
    assert!(!page.contains("tally_differed_total{") && !page.contains("tally_disordered_total{"), "{page}");
    for (series, value) in [
        ("hottap_moments_observed_total{tracer=\"tally\"}", 1_400.0),
        ("hottap_moments_committed_total{tracer=\"tally\"}", 1_400.0),
        ("hottap_moments_pending{tracer=\"tally\"}", 0.0),
    ] {
        assert_eq!(house.metric(series), Some(value), "{series}");
    }
}

#[test]
fn only_streams_that_a_tracer_wants_are_followed() {
    let house = House::new();
    house.drop_in("all.wasm", FOLLOWS.component());
    house.drop_in("some.toml", "[scope]\nmethods = [\"house.v1.Other/*\"]");
    house.drop_in("some.wasm", FOLLOWS.component());
    house.drop_in("none.toml", "[scope]\nsample = 0.0");
    house.drop_in("none.wasm", FOLLOWS.component());
    house.drop_in("quiet.wasm", QUIET.component());
    for name in ["all", "some", "none", "quiet"] {
        house.until_live(name);
    }
    OpenStream::grpc(&house.tap, WATCH, 20).end();
    OpenStream::grpc(&house.tap, "house.v1.Other/Watch", 3).end();
    // What has no messages that the layer can see.
    OpenStream::start(&house.tap, WATCH, "text/plain", 7).end();
    assert_eq!(moments(&house.settled_moments("all", 23), "committed"), 23);
    assert_eq!(moments(&house.settled_moments("some", 3), "committed"), 3);
    house.settled("all", 3);
    assert_eq!(moments(&house.settled_moments("none", 0), "committed"), 0);
    assert!(house.settled("quiet", 3)["moments"].is_null(), "it does not follow streams");
    assert!(!house.tap.metrics().contains("hottap_moments_observed_total{tracer=\"quiet\"}"));
}

#[test]
fn a_stream_is_followed_on_when_its_tracer_is_replaced() {
    let house = House::new();
    house.drop_in("a.wasm", FOLLOWS.component());
    let first = house.until_live("a")["generation"].clone();
    let mut stream = OpenStream::grpc(&house.tap, WATCH, 1_000);
    stream.messages(10);
    house.settled_moments("a", 10);
    house.drop_in("a.toml", "[config]\n");
    let second = house.until("a", "swapped", |tracer| tracer["generation"] != first)["generation"].clone();
    stream.messages(5);
    assert_eq!(moments(&house.settled_moments("a", 15), "committed"), 15);

    // The next generation wants other methods, and the one after it no messages at all.
    house.drop_in("a.toml", "[scope]\nmethods = [\"other\"]\n");
    let third = house.until("a", "swapped", |tracer| tracer["generation"] != second)["generation"].clone();
    stream.messages(100);
    house.drop_in("a.wasm", QUIET.component());
    house.until("a", "swapped", |tracer| tracer["generation"] != third);
    stream.messages(100);
    stream.end();
    assert_eq!(moments(&house.settled_moments("a", 15), "committed"), 15, "what was followed stays on the books");
    house.settled("a", 0);
}

#[test]
fn the_place_of_a_removed_tracer_is_anothers_without_its_messages() {
    let house = House::new();
    house.drop_in("a.wasm", FOLLOWS.component());
    house.until_live("a");
    let mut stream = OpenStream::grpc(&house.tap, WATCH, 1_000);
    stream.messages(10);
    house.remove("a.wasm");
    house.until("a", "removed", |tracer| tracer["state"] == "removed");
    house.drop_in("b.toml", "[scope]\nmethods = [\"other\"]\n");
    house.drop_in("b.wasm", FOLLOWS.component());
    house.until_live("b");
    stream.messages(100);
    stream.end();
    OpenStream::grpc(&house.tap, "other", 1).end();
    assert_eq!(moments(&house.settled_moments("b", 1), "committed"), 1);
    assert_eq!(moments(&house.settled_moments("a", 10), "committed"), 10);
}

/// Moves messages until the bad tracer has failed this often. Nothing is lost, and the other tracer is not concerned.
#[track_caller]
fn fails_alone(bad: &Wat, times: u64, error: &str) {
    let house = House::new();
    house.drop_in("bad.wasm", bad.component());
    house.drop_in("good.wasm", FOLLOWS.component());
    house.until_live("bad");
    house.until_live("good");
    let mut stream = OpenStream::grpc(&house.tap, WATCH, 1 << 40);
    let mut moved = 0;
    while house.tracer("bad")["traps"].as_u64() < Some(times) {
        stream.messages(10);
        moved += 10;
        // Each piece is one of its own: it has left the good one's queue before the next comes.
        house.until("good", "handed it", |tracer| moments(tracer, "observed") == moved);
        assert!(moved < 100_000, "it does not fail: {:#}", house.tracer("bad"));
    }
    drop(stream);
    let (bad, good) = (house.settled_moments("bad", moved), house.settled_moments("good", moved));
    assert_eq!(moments(&good, "committed"), moved, "{good:#}");
    assert_eq!((moments(&bad, "committed"), &bad["moments"]["dropped"]), (moved, &json!({})), "{bad:#}");
    let message = bad["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(error) && message.contains("in progress"), "{message}");
    assert_eq!((house.settled("good", 1)["committed"].as_u64(), good["traps"].as_u64()), (Some(1), Some(0)));
    house.settled("bad", 1);
}

#[test]
fn a_progress_that_traps_fails_alone() {
    fails_alone(&TRAPS, 2, "unreachable");
}

#[test]
fn a_progress_that_spins_fails_alone() {
    fails_alone(&SPINS, 1, "ran out of time");
}

#[test]
fn a_progress_that_fails_on_the_canary_is_refused() {
    for (guest, reason) in
        [(Wat { progress: "unreachable", ..QUIET }, "trapped in progress"), (KEEPS_THE_HANDLE, "trapped in progress: ")]
    {
        let house = House::new();
        house.drop_in("bad.wasm", guest.component());
        let bad = house.until("bad", "refused", |tracer| tracer["state"] == "refused");
        let message = bad["last_error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn messages_of_a_tonic_stream_are_counted_on_both_sides_while_it_is_open() {
    use crate::chat::{CHAT, Chat, connect, serve};
    let module = fixtures::guest("tally.wasm");
    let house = House::new();
    house.drop_in("tally.wasm", &module);
    house.until_live("tally");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let client = runtime.block_on(async { connect(&house.tap, serve(&house.tap).await) });
    let sizes: Vec<usize> = (0..200).map(|i| i * 37 % 5_000).collect();
    let bytes: u64 = sizes.iter().map(|&size| size as u64 + 5).sum();
    for (round, method) in [(1, ""), (2, CHAT)] {
        let mut chat = runtime.block_on(Chat::start(&client)).expect("it starts");
        runtime.block_on(async {
            for &size in &sizes {
                chat.say(size).await;
            }
        });
        // Sent and received by the client, received and sent by the server.
        let tracer = house.until("tally", "told", |tracer| {
            assert_balanced(tracer);
            moments(tracer, "committed") == round * 4 * 200
        });
        assert_eq!(tracer["finished"], (round - 1) * 2, "both calls are still open");
        for kind in ["stream_send", "stream_recv"] {
            let labels = format!("{{tracer=\"tally\",kind=\"{kind}\",method=\"{method}\"}}");
            assert_eq!(house.metric(&format!("tally_messages_total{labels}")), Some(400.0), "{kind} {method}");
            assert_eq!(
                house.metric(&format!("tally_bytes_total{labels}")),
                Some((2 * bytes) as f64),
                "{kind} {method}"
            );
        }
        runtime.block_on(chat.end());
        assert_eq!(house.settled("tally", round * 2)["committed"], round * 2);
        assert_eq!(moments(&house.settled_moments("tally", round * 4 * 200), "committed"), round * 4 * 200);
    }
    let page = house.tap.metrics();
    assert_eq!(house.metric("tally_agreed_total{tracer=\"tally\"}"), Some(4.0), "{page}");
    assert!(!page.contains("tally_differed_total{") && !page.contains("tally_disordered_total{"), "{page}");
}
