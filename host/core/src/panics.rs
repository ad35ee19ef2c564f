//! Panics of Hottap's own code on its own threads: caught, counted by thread, logged, and the thread goes on.
//!
//! A tracer's trap is no panic. A panic here is a fault of the host's, which must end neither the thread nor the service;
//! the caller says which tracer it was busy with. A program built with `panic = "abort"` has nothing to catch.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Panics of one thread that are logged; more are only counted. A look at the plugin dir that panics does so each second.
const MAX_LOGGED: u64 = 10;
/// Bytes that are kept of a panic's message.
const MAX_MESSAGE_BYTES: usize = 500;

/// Threads, as they are named, and a starter's place on the request's own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Admin,
    Collector,
    Configuration,
    Epoch,
    Loader,
    Otlp,
    Outbox,
    Ready,
    Request,
    Supervisor,
    Worker,
}

impl Place {
    const ALL: [Self; 11] = [
        Self::Admin,
        Self::Collector,
        Self::Configuration,
        Self::Epoch,
        Self::Loader,
        Self::Otlp,
        Self::Outbox,
        Self::Ready,
        Self::Request,
        Self::Supervisor,
        Self::Worker,
    ];

    /// The word for it in metrics and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "hottap-admin",
            Self::Collector => "hottap-collect",
            Self::Configuration => "hottap-config",
            Self::Epoch => "hottap-epoch",
            Self::Loader => "hottap-load",
            Self::Otlp => "hottap-otlp",
            Self::Outbox => "hottap-outbox",
            Self::Ready => "hottap-ready",
            Self::Request => "request",
            Self::Supervisor => "hottap-super",
            Self::Worker => "hottap-work",
        }
    }
}

/// Of this process, as the symbol table is.
static COUNTS: [AtomicU64; Place::ALL.len()] = [const { AtomicU64::new(0) }; Place::ALL.len()];

/// A panic that was caught.
#[derive(Clone, Debug, thiserror::Error)]
#[error("an internal error: Hottap panicked on {}: {message}", .place.as_str())]
pub struct Panic {
    place: Place,
    message: String,
}

/// One sentence for the operator who finds one.
pub const WHAT_TO_DO: &str =
    "report it, with the tracer if you can: this is a fault of Hottap's, and the log has the line before it";

/// Runs something that must not end its thread.
///
/// # Errors
/// It panicked. What it held is gone; what it had changed stays changed.
pub fn caught<R>(place: Place, run: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Panic::note(place, &*payload))
}

impl Panic {
    /// Counts a panic that the caller has caught, and logs it.
    pub fn note(place: Place, payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        let panic = Self { place, message: crate::rpc::cut(message, MAX_MESSAGE_BYTES).to_owned() };
        let before = COUNTS.get(place as usize).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed));
        if before < MAX_LOGGED {
            // The subscriber may be what panics.
            let _ = catch_unwind(|| tracing::error!("{panic}; {WHAT_TO_DO}; the thread goes on"));
        }
        panic
    }
}

/// The panics of each place.
pub fn counts() -> impl Iterator<Item = (&'static str, u64)> {
    Place::ALL.into_iter().zip(&COUNTS).map(|(place, count)| (place.as_str(), count.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_counted_and_told() {
        let count = || COUNTS[Place::Epoch as usize].load(Ordering::Relaxed);
        let before = count();
        assert_eq!(caught(Place::Epoch, || 7).expect("no panic"), 7);
        assert_eq!(count(), before);
        let panic = caught(Place::Epoch, || panic!("{} of them", 3)).expect_err("a panic");
        assert_eq!(panic.to_string(), "an internal error: Hottap panicked on hottap-epoch: 3 of them");
        let panic = caught(Place::Epoch, || std::panic::panic_any(3)).expect_err("a panic");
        assert!(panic.to_string().ends_with("no message"));
        assert_eq!(count(), before + 2);
    }

    #[test]
    fn each_place_has_a_count_of_its_own() {
        for (index, place) in Place::ALL.into_iter().enumerate() {
            assert_eq!(place as usize, index, "{place:?}");
        }
    }
}
