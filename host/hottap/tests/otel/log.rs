//! What the library says in the log, on whichever thread, as tests ask for it.

use std::fmt::{self, Write};
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps lines from now on, of all tests.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Keeper);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else keeps lines");
    });
}

/// Those with this collector.
pub(crate) fn lines(collector: &str) -> Vec<String> {
    with(&format!(" collector={collector:?}"))
}

/// Those in which this stands.
pub(crate) fn with(text: &str) -> Vec<String> {
    LINES.lock().expect("not poisoned").iter().filter(|line| line.contains(text)).cloned().collect()
}

struct Keeper;

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::INFO && event.metadata().target().starts_with("hottap") {
            let mut line = Line::default();
            event.record(&mut line);
            LINES.lock().expect("not poisoned").push(line.0);
        }
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}
