//! The log lines about lost routes.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Keeps the lines of the target `hottap::route`.
#[derive(Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<Vec<(Level, String)>>>);

impl Notices {
    /// Listens on this thread until the guard is dropped.
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        let notices = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(notices.clone()));
        (notices, guard)
    }

    /// The lines since the last time.
    pub(crate) fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().expect("not poisoned"))
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "hottap::route" {
            let mut message = String::new();
            event.record(&mut Message(&mut message));
            self.0.lock().expect("not poisoned").push((*event.metadata().level(), message));
        }
    }
}
