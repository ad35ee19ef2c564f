//! What stands behind the imports of one instance: the batch it may read, and everything it does, staged.

use std::sync::Arc;
use std::time::Duration;

use super::guest::{CallError, Pace, Settings, State, Surroundings};
use super::handed::Handed;
use super::headers::{HeaderGrants, Starting};
use super::limits::{Limiter, Limits, Refused as RefusedMemory};
use super::log::Log;
use super::meter::{Meter, OutOfTime};
use super::wasi::Wasi;
use crate::metrics::Stage;
use crate::outbox::{Outbox, Parcel, Refusal, Refused};
use hottap_core::budget::Budget;
use hottap_core::collect::{Moments, View};
use hottap_core::plain::plain;
use hottap_core::rpc::{Level, TraceContext};

/// Bytes of state that a guest may save.
const MAX_STATE_BYTES: usize = 1 << 20;
/// Bytes of what an engine's error says, and of a guest's last words in a message. A panic with its place has some
/// hundreds; more would fill the operator's page with one tracer.
const MAX_REASON_BYTES: usize = 1 << 10;
/// Bytes of a function's name in a message. Names of generic Rust functions are longer; their beginning says enough.
const MAX_FUNCTION_BYTES: usize = 200;
const MIN_PERIOD: u32 = 50;
const MAX_PERIOD: u32 = 60_000;

/// Which export is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Instantiate,
    Init,
    Finish,
    Progress,
    Flush,
    Start,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Instantiate => "the making of an instance",
            Self::Init => "init",
            Self::Finish => "finish",
            Self::Progress => "progress",
            Self::Flush => "flush",
            Self::Start => "start",
        }
    }
}

/// The data of one instance's store.
pub(super) struct Host {
    /// The tracer's.
    name: Arc<str>,
    pub(super) limiter: Limiter,
    pub(super) meter: Meter,
    pub(super) phase: Phase,
    pub(super) limits: Limits,
    pub(super) pace: Pace,
    pub(super) settings: Settings,
    pub(super) metrics: Stage,
    pub(super) log: Log,
    pub(super) handed: Handed,
    pub(super) wasi: Wasi,
    pub(super) now: u64,
    /// The destinations that it tried to send to.
    #[cfg(feature = "compiler")]
    destinations: std::collections::BTreeSet<String>,
    view: Option<View>,
    moments: Option<Moments>,
    /// The request's headers, while a starter runs.
    pub(super) starting: Starting,
    /// It acts at the start of calls: what it sends goes nowhere, because nothing of it is ever committed.
    pub(super) is_starter: bool,
    /// Bytes that the host call that runs may hand to a starter: as much as it has fuel for.
    pub(super) may_hand_over: u64,
    pub(super) grants: Arc<HeaderGrants>,
    outbox: Outbox,
    /// Payloads of the current transaction. Dropped with the instance, they give their space back.
    parcels: Vec<Parcel>,
    /// What was not taken in the current transaction.
    refused: Refused,
    saved: State,
    saving: Option<Vec<u8>>,
}

impl Host {
    pub(super) fn new(
        name: &Arc<str>,
        limits: Limits,
        metrics: Stage,
        surroundings: &Surroundings,
        budget: &Budget,
    ) -> Self {
        Self {
            name: name.clone(),
            limiter: Limiter::new(limits, budget),
            meter: Meter::default(),
            phase: Phase::Instantiate,
            limits,
            pace: Pace::default(),
            settings: Settings::default(),
            metrics,
            log: Log::new(),
            handed: Handed::default(),
            wasi: Wasi::new(),
            now: surroundings.now,
            #[cfg(feature = "compiler")]
            destinations: std::collections::BTreeSet::new(),
            view: None,
            moments: None,
            starting: Starting::default(),
            is_starter: false,
            may_hand_over: u64::MAX,
            grants: surroundings.headers.clone(),
            outbox: surroundings.outbox.clone(),
            parcels: Vec::new(),
            refused: Refused::default(),
            saved: surroundings.state.clone(),
            saving: None,
        }
    }

    /// An export is about to run.
    pub(super) fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.meter.begin(match phase {
            Phase::Instantiate | Phase::Init => self.limits.init,
            Phase::Finish | Phase::Progress => self.pace.limit(self.limits.finish),
            Phase::Flush => self.pace.limit(self.limits.flush),
            Phase::Start => self.limits.start,
        });
    }

    pub(super) fn show(&mut self, view: View) {
        self.view = Some(view);
    }

    pub(super) fn hide(&mut self) {
        self.view = None;
    }

    /// The batch that `finish` was called with. A guest holds its handle no longer than the call, so there is one.
    pub(super) fn view(&self) -> wasmtime::Result<&View> {
        self.view.as_ref().ok_or_else(|| wasmtime::Error::msg("a batch is valid only during finish"))
    }

    pub(super) fn show_moments(&mut self, moments: Moments) {
        self.moments = Some(moments);
    }

    pub(super) fn hide_moments(&mut self) {
        self.moments = None;
    }

    /// The moments that `progress` was called with.
    pub(super) fn moments(&self) -> wasmtime::Result<&Moments> {
        self.moments.as_ref().ok_or_else(|| wasmtime::Error::msg("moments are valid only during progress"))
    }

    pub(super) fn set_level(&mut self, level: u8) {
        if self.in_init("setup.level") {
            self.settings.level = if level >= 2 { Level::Detailed } else { Level::Base };
        }
    }

    pub(super) fn set_period(&mut self, milliseconds: u32) {
        if self.in_init("setup.every") {
            self.settings.period = Duration::from_millis(milliseconds.clamp(MIN_PERIOD, MAX_PERIOD).into());
        }
    }

    pub(super) fn set_attempts(&mut self) {
        self.settings.attempts |= self.in_init("setup.attempts");
    }

    pub(super) fn in_init(&mut self, what: &str) -> bool {
        let inside = matches!(self.phase, Phase::Init | Phase::Instantiate);
        if !inside {
            self.log.write(4, &format!("{what} works only inside init; it had no effect"));
        }
        inside
    }

    pub(super) fn save(&mut self, bytes: Vec<u8>) -> bool {
        let fits = bytes.len() <= MAX_STATE_BYTES;
        if fits && !self.is_starter {
            self.saving = Some(bytes);
        }
        fits
    }

    /// # Errors
    /// It is more than a starter has fuel for.
    pub(super) fn saved(&self) -> wasmtime::Result<Option<Vec<u8>>> {
        if self.saved.len() as u64 > self.may_hand_over {
            return Err(wasmtime::Trap::OutOfFuel.into());
        }
        Ok(self.saved.get())
    }

    /// Takes a payload, to be handed over with the commit.
    pub(super) fn send(&mut self, destination: &str, content_type: &str, payload: Vec<u8>) -> Result<(), Refusal> {
        if self.is_starter {
            return Ok(());
        }
        let sent = self.outbox.send(&self.name, destination, content_type, payload);
        self.parcels.push(sent.inspect_err(|refusal| self.refused.count(*refusal))?);
        Ok(())
    }

    /// Bytes of the largest payload that a destination takes. None if the tracer may not use it.
    pub(super) fn max_payload(&self, destination: &str) -> Option<usize> {
        self.outbox.max_payload(&self.name, destination)
    }

    /// Remembers that a destination was named.
    #[cfg(feature = "compiler")]
    pub(super) fn named(&mut self, destination: &str) {
        const MAX_DESTINATIONS: usize = 16;
        const MAX_DESTINATION_BYTES: usize = 256;
        if self.destinations.len() < MAX_DESTINATIONS {
            self.destinations.insert(hottap_core::rpc::cut(destination, MAX_DESTINATION_BYTES).to_owned());
        }
    }

    /// What was done since the last commit.
    #[cfg(feature = "compiler")]
    pub(super) fn trial(&mut self) -> super::guest::Trial {
        self.wasi.flush_lines(&mut self.log);
        super::guest::Trial {
            metrics: self.metrics.defined().collect(),
            metric_errors: self.metrics.errors(),
            refused_metrics: self.metrics.refused(),
            destinations: self.destinations.iter().cloned().collect(),
            lines: self.log.take().0,
        }
    }

    /// Makes what was staged final.
    pub(super) fn commit(&mut self, millis: u64) {
        self.metrics.commit(millis);
        self.parcels.drain(..).for_each(Parcel::commit);
        self.outbox.refuse(&self.name, std::mem::take(&mut self.refused));
        self.wasi.flush_lines(&mut self.log);
        self.write_log(None);
        if let Some(saved) = self.saving.take() {
            self.saved.set(saved);
        }
    }

    /// Hands the staged lines to the host's log, with the call that they are about if there is one.
    pub(super) fn write_log(&mut self, call: Option<&TraceContext>) {
        if self.log.is_empty() {
            return;
        }
        let tracer = &*self.name;
        let (trace_id, span_id) = call.map(TraceContext::ids).unzip();
        let (trace_id, span_id) = (trace_id.map(tracing::field::display), span_id.map(tracing::field::display));
        macro_rules! say {
            ($level:ident, $($rest:tt)+) => {
                tracing::$level!(target: "hottap::tracer", tracer, trace_id, span_id, $($rest)+)
            };
        }
        let (lines, dropped) = self.log.take();
        for line in lines {
            let message = line.message.as_str();
            match line.severity {
                0 | 1 => say!(trace, "{message}"),
                2 => say!(debug, "{message}"),
                3 => say!(info, "{message}"),
                4 => say!(warn, "{message}"),
                _ => say!(error, "{message}"),
            }
        }
        if dropped > 0 {
            tracing::warn!(target: "hottap::tracer", tracer, dropped, "lines were dropped: the tracer logs too much");
        }
    }

    /// What a failed call means for the operator.
    pub(super) fn explain(&mut self, error: &wasmtime::Error) -> CallError {
        let function = self.phase.as_str();
        if let Some(panic) = error.downcast_ref::<hottap_core::panics::Panic>() {
            return CallError::Panicked(panic.clone());
        }
        if let Some(OutOfTime(limit)) = error.downcast_ref::<OutOfTime>() {
            return CallError::OutOfTime { function, limit: *limit };
        }
        if let Some(wasmtime::Trap::OutOfFuel) = error.downcast_ref() {
            return CallError::OutOfTime { function, limit: self.limits.start };
        }
        if let Some(reason) = super::engine::lack_of_memory(error) {
            return CallError::Machine { function, reason };
        }
        // A component's error may repeat what the guest has named.
        let mut reason = match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => trap.to_string(),
            None => plain(&format!("{:#}", error.root_cause()), MAX_REASON_BYTES),
        };
        if let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>()
            && let Some(name) = backtrace.frames().iter().find_map(wasmtime::FrameInfo::func_name)
        {
            // The name section of a module can hold any text.
            reason.push_str(&format!(" (in {})", plain(name, MAX_FUNCTION_BYTES)));
        }
        self.wasi.flush_lines(&mut self.log);
        if let Some(words) = self.log.last_words() {
            reason.push_str(&format!("; its last words: {}", plain(words, MAX_REASON_BYTES)));
        }
        match self.limiter.refused() {
            Some(RefusedMemory::Own(what)) => CallError::OutOfMemory { what, function, reason },
            Some(RefusedMemory::Shared(over)) => CallError::OverBudget { function, over },
            None => CallError::Trap { function, reason },
        }
    }
}
