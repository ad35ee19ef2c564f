//! No secret in any log line, error, Debug or Serialize output.

use std::fmt::Write;
use std::fs;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::server::{Server, says};
use super::{Desk, definition};

/// Everything that is logged while it listens, by any thread of this process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Recorder(&mut self.0.lock().expect("a lock")));
    }
}

struct Recorder<'a>(&'a mut String);

impl Visit for Recorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").expect("written");
    }
}

#[test]
fn no_secret_is_in_any_log_error_debug_or_serialize_output() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(lines.clone());
    tracing::subscriber::set_global_default(subscriber).expect("nobody else in these tests listens");
    // A server that repeats all that it was sent, in its answer's body and head.
    let server = Server::start(|n, seen| {
        let body = format!("{} {:?}", seen.head.uri, seen.head.headers.iter().collect::<Vec<_>>());
        let body =
            body + &format!(" {} {}", seen.header("authorization").unwrap_or(""), seen.header("x-file").unwrap_or(""));
        says([400, 401, 503][n % 3], &[("x-echo", seen.header("authorization").unwrap_or(""))], body)
    });
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    fs::write(&file, "s3cret-in-file").expect("written");
    let lines_of = |retry_for: &str| {
        format!(
            "{}\nretry_for = \"{retry_for}\"\nheaders = {{ authorization = \"Token s3cret-in-text\", x-file = {{ file = {file:?}, prefix = \"Bearer \" }} }}",
            server.url("/write?u=bob&p=s3cret%2Din-query")
        )
    };
    let desk = Desk::with(&lines_of("20ms"));
    let mut shown = String::new();
    for n in 1..=6 {
        desk.send("payload");
        let state = desk.until("settled", |state| state.accepted == n && state.queued.payloads == 0);
        write!(shown, "{} {state:?}", serde_json::to_string(&state).expect("JSON")).expect("written");
    }
    let parcel = desk.outbox.send("t", "d", "", b"s3cret-payload".to_vec()).expect("accepted");
    write!(shown, "{parcel:?} {:?} {:#?}", definition(&lines_of("1s")), definition(&lines_of("1s"))).expect("written");
    let logged = lines.0.lock().expect("a lock").clone();
    assert!(logged.contains("it answered 4") && logged.contains("***"), "it was listened to: {logged}");
    assert!(shown.contains("it answered 4") && shown.contains("***"), "{shown}");
    for text in [shown, logged] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
