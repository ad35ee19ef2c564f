//! What a tracer records, logs, sends and saves takes effect when a flush is over, and not before.

use std::time::Duration;

use hottap_guest::log::{self, Severity};
use hottap_guest::metrics::Counter;
use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Call, Cause, Config, Error, Flush, Level, Tracer, outbox, state};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    destination: String,
}

/// Logs, sends and saves each method that it sees.
struct Scribe {
    settings: Settings,
    restored: Option<Vec<u8>>,
    calls: Counter,
    flushes: Vec<(Cause, u64, Duration)>,
    refused: Option<outbox::Refusal>,
}

impl Tracer for Scribe {
    fn new(config: Config) -> Result<Self, Error> {
        config.level(Level::Detailed).flush_every(Duration::from_millis(1)).attempts();
        log::info(format_args!("{} {}", config.service_name(), config.instance_id()));
        Ok(Self {
            settings: config.parse()?,
            restored: state::saved(),
            calls: Counter::define("calls").build(),
            flushes: Vec::new(),
            refused: None,
        })
    }

    fn finish_call(&mut self, call: &Call) {
        log::warn(call.method());
        self.calls.with(&[]).increment();
        self.refused = outbox::send(&self.settings.destination, "text/plain", call.method().as_bytes()).err();
        state::save(call.method().as_bytes()).expect("it is small");
    }

    fn flush(&mut self, at: Flush) {
        self.flushes.push((at.cause, at.now, at.elapsed));
    }
}

fn scribe() -> Harness<Scribe> {
    Harness::<Scribe>::setup()
        .config(json!({ "destination": "audit" }))
        .identity("service.name", "checkout")
        .identity("service.instance.id", "7")
        .destination("audit")
        .start()
}

#[test]
fn nothing_takes_effect_before_the_flush() {
    let mut host = scribe();
    host.finish([TestCall::server("a.B/C")]);
    assert_eq!(host.log().len(), 1, "what was logged while it was made is there at once");
    assert!(host.outbox().is_empty() && host.state().is_none() && host.counter("calls", &[]).is_none());
    host.flush();
    let lines: Vec<_> = host.log().iter().map(|line| (line.severity, line.message.as_str())).collect();
    assert_eq!(lines, [(Severity::Info, "checkout 7"), (Severity::Warn, "a.B/C")]);
    let sent: Vec<_> =
        host.outbox().iter().map(|p| (p.destination.as_str(), p.content_type.as_str(), &*p.bytes)).collect();
    assert_eq!(sent, [("audit", "text/plain", &b"a.B/C"[..])]);
    assert_eq!((host.state(), host.counter("calls", &[])), (Some(&b"a.B/C"[..]), Some(1.0)));
}

#[test]
fn a_trap_throws_away_what_was_not_committed_and_keeps_the_rest() {
    let mut host = scribe();
    host.finish([TestCall::server("a.B/Kept")]);
    host.flush();
    host.finish([TestCall::server("a.B/Lost")]);
    host.trap();
    host.flush();
    assert_eq!(host.counter("calls", &[]), Some(1.0));
    assert_eq!(host.tracer().restored.as_deref(), Some(&b"a.B/Kept"[..]));
    assert_eq!(host.outbox().len(), 1);
    host.finish([TestCall::server("a.B/Kept")]);
    host.flush();
    assert_eq!(host.counter("calls", &[]), Some(2.0), "the new instance goes on with the same series");
    assert!(host.errors().is_empty(), "{:?}", host.errors());
}

#[test]
fn a_tracer_has_no_clock_but_the_flush() {
    let mut host = scribe();
    host.flush();
    host.flush_after(Duration::from_secs(3), Cause::Shutdown);
    let [(first, then, period), (last, now, elapsed)] = host.tracer().flushes[..] else { panic!("two flushes") };
    assert_eq!((first, period), (Cause::Period, Duration::from_millis(50)), "the shortest period there is");
    assert_eq!((last, elapsed, now - then), (Cause::Shutdown, Duration::from_secs(3), 3_000_000_000));
}

#[test]
fn settings_reach_the_host() {
    let settings = scribe().settings();
    assert_eq!((settings.level, settings.attempts), (Level::Detailed, true));
    assert_eq!(settings.flush_every, Duration::from_millis(50));
}

#[test]
fn a_payload_that_is_not_taken_is_refused_by_reason() {
    let mut host = scribe();
    host.set_outbox_full(true);
    host.finish([TestCall::server("a.B/C")]);
    assert_eq!(host.tracer().refused, Some(outbox::Refusal::Full));
    host.tracer().settings.destination = "elsewhere".to_owned();
    host.finish([TestCall::server("a.B/C")]);
    assert_eq!(host.tracer().refused, Some(outbox::Refusal::NotAllowed));
    host.flush();
    assert!(host.outbox().is_empty());
}

#[test]
fn a_config_that_is_wrong_is_refused_with_the_keys_name() {
    let refusal = Harness::<Scribe>::setup().config(json!({ "destinatoin": "audit" })).try_start().err();
    let refusal = refusal.map(|error| error.to_string());
    assert_eq!(
        refusal.as_deref(),
        Some("the manifest's [config]: unknown field `destinatoin`, expected `destination`")
    );
}

#[test]
fn saved_state_of_an_earlier_generation_is_found() {
    let setup = Harness::<Scribe>::setup().config(json!({ "destination": "" })).saved_state(b"before");
    assert_eq!(setup.start().tracer().restored.as_deref(), Some(&b"before"[..]));
}
