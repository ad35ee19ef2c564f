//! The harness's side of the imports, without its metrics: symbols, settings, log, outbox, state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::headers::Headers;
use super::metrics::Metrics;
use crate::config::Level;
use crate::log::Severity;

/// Bytes of a log line that the host keeps.
const MAX_LINE: usize = 4096;
/// Bytes of state that the host keeps.
const MAX_STATE: usize = 1 << 20;
/// Bytes of the largest payload that a destination takes by default, other than one of datagrams.
pub(super) const MAX_PAYLOAD: u32 = 1 << 20;
/// The first symbol that is not fixed.
const FIRST_DYNAMIC: u32 = 256;
/// The flush periods that the host allows, in milliseconds.
const PERIODS: std::ops::RangeInclusive<u32> = 50..=60_000;

/// What a tracer asked for when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How much is recorded of calls.
    pub level: Level,
    /// The flush period.
    pub flush_every: Duration,
    /// Whether there is a row per attempt.
    pub attempts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: Level::Base, flush_every: Duration::from_secs(1), attempts: false }
    }
}

/// A line in the host's log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// How severe it is.
    pub severity: Severity,
    /// What it says, as the host would write it: cut at 4 KiB, control characters escaped.
    pub message: String,
}

/// A payload in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The destination's name.
    pub destination: String,
    /// Its media type; "" if the tracer said none.
    pub content_type: String,
    /// What is sent there.
    pub bytes: Vec<u8>,
}

/// What takes effect when a flush is committed.
#[derive(Debug, Default)]
struct Staged {
    log: Vec<LogLine>,
    outbox: Vec<Payload>,
    state: Option<Vec<u8>>,
}

/// One tracer's host.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) symbols: Symbols,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Settings,
    /// Bytes of the largest payload, by destination.
    pub(crate) destinations: BTreeMap<String, u32>,
    pub(crate) full: bool,
    /// True while `Tracer::new` runs.
    pub(crate) initializing: bool,
    /// Those of the call that starts; none outside of `start`.
    pub(crate) headers: Option<Headers>,
    staged: Staged,
    pub(crate) log: Vec<LogLine>,
    pub(crate) outbox: Vec<Payload>,
    state: Option<Vec<u8>>,
}

impl Host {
    /// A new instance takes over: what the one before staged is thrown away.
    pub(crate) fn new_instance(&mut self) {
        self.staged = Staged::default();
        self.metrics.new_instance();
        self.settings = Settings::default();
    }

    pub(crate) fn commit(&mut self) {
        self.metrics.commit();
        self.log.append(&mut self.staged.log);
        self.outbox.append(&mut self.staged.outbox);
        if let Some(state) = self.staged.state.take() {
            self.state = Some(state);
        }
    }

    pub(crate) fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }

    pub(crate) fn set_state(&mut self, state: Vec<u8>) {
        self.state = Some(state);
    }

    fn setting(&mut self, name: &str, set: impl FnOnce(&mut Settings)) {
        if self.initializing {
            set(&mut self.settings);
        } else {
            self.log(4, &format!("setup.{name} works only while the tracer is made; it has no effect"));
        }
    }

    pub(crate) fn set_level(&mut self, level: u8) {
        let level = if level >= 2 { Level::Detailed } else { Level::Base };
        self.setting("level", |settings| settings.level = level);
    }

    pub(crate) fn set_period(&mut self, milliseconds: u32) {
        let period = milliseconds.clamp(*PERIODS.start(), *PERIODS.end());
        self.setting("every", |settings| settings.flush_every = Duration::from_millis(period.into()));
    }

    pub(crate) fn set_attempts(&mut self) {
        self.setting("attempts", |settings| settings.attempts = true);
    }

    pub(crate) fn max_payload(&self, destination: &str) -> Option<u32> {
        self.destinations.get(destination).copied()
    }

    pub(crate) fn send(&mut self, destination: &str, content_type: &str, payload: &[u8]) -> Result<(), u32> {
        let max_payload = self.max_payload(destination).ok_or(0_u32)?;
        if payload.len() > max_payload as usize {
            return Err(2);
        }
        if self.full {
            return Err(1);
        }
        let (destination, content_type) = (destination.to_owned(), content_type.to_owned());
        self.staged.outbox.push(Payload { destination, content_type, bytes: payload.to_vec() });
        Ok(())
    }

    pub(crate) fn log(&mut self, severity: u8, message: &str) {
        let severity = match severity {
            0 | 1 => Severity::Trace,
            2 => Severity::Debug,
            3 => Severity::Info,
            4 => Severity::Warn,
            _ => Severity::Error,
        };
        let cut = message.get(..message.floor_char_boundary(MAX_LINE)).unwrap_or("");
        let mut message = String::with_capacity(cut.len());
        for c in cut.chars() {
            if c.is_control() && c != '\t' { message.extend(c.escape_default()) } else { message.push(c) }
        }
        self.staged.log.push(LogLine { severity, message });
    }

    pub(crate) fn save(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > MAX_STATE {
            return false;
        }
        self.staged.state = Some(bytes.to_vec());
        true
    }
}

/// The table of symbols.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    texts: Vec<String>,
    ids: HashMap<String, u32>,
    handed_over: BTreeSet<u32>,
    pub(crate) questions: usize,
}

impl Symbols {
    /// The symbol of a text that is about to be handed over.
    pub(crate) fn hand_over(&mut self, text: &str) -> u32 {
        if let Some(id) = crate::symbol::fixed(text) {
            return id;
        }
        let id = self.ids.get(text).copied().unwrap_or_else(|| {
            let id = FIRST_DYNAMIC + u32::try_from(self.texts.len()).unwrap_or(u32::MAX - FIRST_DYNAMIC);
            self.texts.push(text.to_owned());
            self.ids.insert(text.to_owned(), id);
            id
        });
        self.handed_over.insert(id);
        id
    }

    /// A new instance was handed nothing yet.
    pub(crate) fn tell(&mut self, ids: &[u32]) -> Vec<String> {
        self.questions += 1;
        let text = |id: &u32| {
            let index = id.checked_sub(FIRST_DYNAMIC).filter(|_| self.handed_over.contains(id))?;
            self.texts.get(index as usize).cloned()
        };
        ids.iter().map(|id| text(id).unwrap_or_default()).collect()
    }
}
