//! Formats and sampler of traces in hottap.toml: in effect from the first call, and changed while the service runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hottap::otel::Otel;
use hottap::{Builder, Hottap, Propagator, Propagators};

use crate::log;
use crate::propagation::through;
use crate::recorder::Recorder;

/// A configuration in a directory of its own.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(text: &str) -> Self {
        let desk = Self(tempfile::tempdir().expect("a directory"));
        desk.write(text);
        desk
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("hottap.toml")
    }

    /// As a whole, so that it counts at once.
    fn write(&self, text: &str) {
        let draft = self.0.path().join("draft");
        std::fs::write(&draft, text).expect("written");
        std::fs::rename(draft, self.path()).expect("renamed");
    }

    /// Without a plugin dir and with one, in which there is nothing.
    fn builders(&self) -> [(Builder, &'static str); 2] {
        let builder = || Hottap::builder().propagators(Propagators::new([Propagator::B3])).config(self.path());
        let plugins = self.0.path().join("plugins");
        [(builder(), "without a plugin dir"), (builder().plugin_dir(plugins), "with a plugin dir")]
    }
}

/// The names of the headers that go out, and B3's state or W3C's flags.
async fn sent(tap: &Hottap, headers: &[(&str, &str)]) -> (Vec<String>, String) {
    let sent = through(tap, headers, || ()).await;
    let mut names: Vec<_> = sent.keys().map(ToString::to_string).collect();
    names.sort();
    let value = sent.get("b3").or(sent.get("traceparent")).map_or("", |value| value.to_str().expect("ASCII"));
    (names, value.rsplit('-').next().unwrap_or_default().to_owned())
}

/// Waits until so it is.
async fn until(tap: &Hottap, headers: &[(&str, &str)], names: &[&str], end: &str, reason: &str) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let found = sent(tap, headers).await;
        if found.0 == names && found.1 == end {
            return;
        }
        assert!(Instant::now() < patience, "{reason}: {found:?}");
        tokio::task::yield_now().await;
    }
}

/// Waits for a line in which all of this stands.
async fn log_has(parts: &[&str]) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !log::with(parts[0]).iter().any(|line| parts.iter().all(|part| line.contains(part))) {
        assert!(Instant::now() < patience, "{parts:?}");
        tokio::task::yield_now().await;
    }
}

const NONE: &[(&str, &str)] = &[];
const B3: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1";

#[tokio::test]
async fn what_the_operator_says_of_traces_is_in_effect_from_the_first_call_and_changes_live() {
    log::keep();
    for without_otel in [true, false] {
        let desk = Desk::new("");
        for (builder, reason) in desk.builders() {
            desk.write("[trace]\npropagators = [\"tracecontext\"]\nsampler = \"always_off\"\n");
            let otel = Otel::with_variables(|name| {
                let none = matches!(name, "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER");
                none.then(|| "none".to_owned())
            })
            .expect("valid");
            let tap = match without_otel {
                true => Recorder::default().started_by(builder),
                false => builder.tracer(otel.spans()).start().expect("starts"),
            };
            let found = sent(&tap, NONE).await;
            assert_eq!(found, (vec!["traceparent".to_owned()], "02".to_owned()), "{reason}: at the first call");
            desk.write("[trace]\nsampler = \"parentbased_traceidratio\"\nsampler_arg = 1.0\n");
            until(&tap, NONE, &["b3"], "1", reason).await;
            let not_sampled = format!("{B3}-0");
            until(&tap, &[("b3", &not_sampled)], &["b3"], "0", reason).await;
            desk.write("[trace]\nsampler = \"always_on\"\npropagators = [\"baggage\", \"b3\"]\n");
            until(&tap, &[("b3", &not_sampled), ("baggage", "a=1")], &["b3", "baggage"], "1", reason).await;
            desk.write("[trace]\nsampler = \"sometimes\"\n");
            let path = desk.path().display().to_string();
            log_has(&[&path, "`trace.sampler` that cannot be used"]).await;
            until(
                &tap,
                &[("b3", &not_sampled), ("baggage", "a=1")],
                &["b3", "baggage"],
                "1",
                "a mistake changes nothing",
            )
            .await;
            desk.write("");
            until(&tap, &[("b3", &not_sampled), ("baggage", "a=1")], &["b3"], "0", reason).await;
            until(&tap, NONE, &["b3"], "1", reason).await;
        }
    }
}

#[tokio::test]
async fn without_a_word_of_the_operators_the_environments_sampler_decides() {
    let desk = Desk::new("[trace]\nsampler = \"always_on\"");
    for (builder, reason) in desk.builders() {
        desk.write("[trace]\nsampler = \"always_on\"");
        let otel = Otel::with_variables(|name| match name {
            "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER" => Some("none".to_owned()),
            "OTEL_TRACES_SAMPLER" => Some("always_off".to_owned()),
            _ => None,
        })
        .expect("valid");
        // The provider is the operator's in either way that the builder hears of it.
        let recorder = Recorder::default();
        let tap = recorder.started_by(builder.otel(&otel));
        assert_eq!(sent(&tap, NONE).await.1, "1", "{reason}");
        let span = opentelemetry::trace::Tracer::start(
            &opentelemetry::trace::TracerProvider::tracer(otel.tracer_provider(), "own"),
            "own",
        );
        assert!(opentelemetry::trace::Span::is_recording(&span), "also of spans that are no call's");
        desk.write("# nothing");
        until(&tap, NONE, &["b3"], "0", reason).await;
    }
}

/// A file that is not there when the service starts.
#[tokio::test]
async fn a_configuration_that_comes_later_counts() {
    let desk = Desk::new("");
    std::fs::remove_file(desk.path()).expect("removed");
    for (builder, reason) in desk.builders() {
        let tap = Recorder::default().started_by(builder);
        assert_eq!(sent(&tap, NONE).await.0, ["b3"], "{reason}");
        desk.write("[trace]\npropagators = [\"jaeger\"]");
        until(&tap, NONE, &["uber-trace-id"], "", reason).await;
        std::fs::remove_file::<&Path>(&desk.path()).expect("removed");
    }
}
