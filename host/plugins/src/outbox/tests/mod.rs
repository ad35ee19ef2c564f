//! The outbox against real servers, sockets and files on this machine; nothing here waits for a fixed time.

mod accounting;
mod budget;
mod credentials;
mod faults;
mod http;
mod live;
mod local;
mod panics;
mod secrecy;
mod server;
#[cfg(feature = "https")]
mod tls;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::sink::Trust;
use super::worker::Ways;
use super::{DestinationState, Outbox, Refusal};
use crate::config::Definition;

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An outbox with short pauses, and what is done with it most.
struct Desk {
    outbox: Outbox,
}

impl Desk {
    fn new() -> Self {
        Self::trusting(Trust::Platform)
    }

    fn trusting(trust: Trust) -> Self {
        let policy = super::retry::Policy { first: Duration::from_millis(1), most: Duration::from_millis(5) };
        Self { outbox: Outbox::with(Ways { policy, recheck: Duration::from_millis(2), trust }) }
    }

    /// With the destination `d`, for the tracer `t`.
    fn with(lines: &str) -> Self {
        let desk = Self::new();
        desk.define(&[("d", lines)]);
        desk
    }

    fn define(&self, destinations: &[(&str, &str)]) {
        let destinations: BTreeMap<_, _> =
            destinations.iter().map(|(name, lines)| ((*name).to_owned(), definition(lines))).collect();
        self.outbox.configure(destinations);
    }

    /// Sends to `d` and commits.
    fn send(&self, payload: impl Into<Vec<u8>>) {
        self.try_send("d", payload).expect("accepted");
    }

    fn try_send(&self, destination: &str, payload: impl Into<Vec<u8>>) -> Result<(), Refusal> {
        self.outbox.send("t", destination, "text/plain", payload.into()).map(super::Parcel::commit)
    }

    fn state(&self, name: &str) -> DestinationState {
        self.outbox.states().into_iter().find(|state| state.name == name).expect("a destination")
    }

    /// Waits until `d` is as wanted; checks its books.
    #[track_caller]
    fn until(&self, what: &str, wanted: impl Fn(&DestinationState) -> bool) -> DestinationState {
        self.until_of("d", what, wanted)
    }

    #[track_caller]
    fn until_of(&self, name: &str, what: &str, wanted: impl Fn(&DestinationState) -> bool) -> DestinationState {
        let destination = self.outbox.destination(name).expect("a destination");
        match destination.wait(PATIENCE, wanted) {
            Some(state) => {
                check(&state);
                state
            }
            None => panic!("not {what}: {:#?}", self.state(name)),
        }
    }

    fn shutdown(&self) -> bool {
        self.outbox.shutdown(Instant::now() + PATIENCE)
    }
}

fn definition(lines: &str) -> Definition {
    let table: toml::Table = lines.parse().expect("TOML");
    Definition::from_toml(&toml::Value::Table(table), "destinations.d", Some("t")).expect("a definition")
}

/// The books balance.
#[track_caller]
fn check(state: &DestinationState) {
    let dropped: u64 = state.dropped.values().sum();
    assert_eq!(state.accepted, state.delivered + state.queued.payloads + dropped, "{state:#?}");
    assert_eq!(state.queued.payloads == 0, state.queued.bytes == 0, "{state:#?}");
}

fn words(state: &DestinationState) -> String {
    state.last_error.as_ref().map(|problem| format!("{}; {}", problem.message, problem.what_to_do)).unwrap_or_default()
}
