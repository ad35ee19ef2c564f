//! What is logged while the tests run, by any thread of this process: kept to be looked at, shown to nobody.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static LINES: Mutex<String> = Mutex::new(String::new());

/// Listens from now on. All tests of this program share it, so that lines of others stand between one's own.
pub(crate) fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let subscriber = tracing_subscriber::registry().with(Keeps);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else in these tests listens");
    });
}

/// All lines so far, an event in each with its fields as `name=value`.
pub(crate) fn lines() -> String {
    lock().clone()
}

fn lock() -> MutexGuard<'static, String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeps;

impl<S: tracing::Subscriber> Layer<S> for Keeps {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line(format!("{}", event.metadata().level()));
        event.record(&mut line);
        lock().push_str(&(line.0 + "\n"));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}
