//! The harness itself: makes the tracer, hands over calls, flushes, and shows what came of it.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use super::call::{EPOCH, TestCall};
use super::host::{LogLine, MAX_PAYLOAD, Payload, Settings};
use super::metrics::{HistogramValue, Kind};
use super::moment::{MomentColumns, TestMoment};
use super::source::{PulledNames, Source};
use super::world::World;
use crate::batch::Batch;
use crate::error::Error;
use crate::export::Collects;
use crate::streams::{Moments, Streams};
use crate::tracer::{Cause, Flush, Tracer};

/// How a harness is set up; [`start`](Self::start) makes the tracer.
#[derive(Debug)]
#[must_use = "it does nothing until `start`"]
pub struct Setup<T> {
    config: String,
    identity: Vec<(String, String)>,
    destinations: BTreeMap<String, u32>,
    state: Option<Vec<u8>>,
    batch_size: usize,
    tracer: PhantomData<fn() -> T>,
}

impl<T: Tracer> Setup<T> {
    /// The manifest's `[config]`: a type that serde can serialize, such as `serde_json::json!({"top": 3})`.
    ///
    /// # Panics
    /// If it can't be written as JSON.
    #[track_caller]
    pub fn config(mut self, config: impl Serialize) -> Self {
        match serde_json::to_string(&config) {
            Ok(json) => self.config = json,
            Err(error) => panic!("a [config] is what JSON can hold: {error}"),
        }
        self
    }

    /// A fact about the service, such as `service.name`.
    pub fn identity(mut self, attribute: &str, value: &str) -> Self {
        self.identity.push((attribute.to_owned(), value.to_owned()));
        self
    }

    /// A destination that the tracer may send to; without it there is none. It takes payloads of a mebibyte, as the real
    /// host's do by default.
    pub fn destination(self, name: &str) -> Self {
        self.destination_of(name, MAX_PAYLOAD)
    }

    /// A destination that takes payloads of at most so many bytes, such as the 1,432 of a datagram.
    pub fn destination_of(mut self, name: &str, max_payload: u32) -> Self {
        self.destinations.insert(name.to_owned(), max_payload);
        self
    }

    /// State that an earlier generation has saved.
    pub fn saved_state(mut self, state: &[u8]) -> Self {
        self.state = Some(state.to_vec());
        self
    }

    /// How many calls there are in a batch at most; without it 256, as in the real host.
    pub fn batch_size(mut self, calls: usize) -> Self {
        self.batch_size = calls.max(1);
        self
    }

    /// Makes the tracer.
    ///
    /// # Panics
    /// If the tracer refuses.
    #[track_caller]
    #[must_use]
    pub fn start(self) -> Harness<T> {
        match self.try_start() {
            Ok(harness) => harness,
            Err(error) => panic!("the tracer refuses to start: {error}"),
        }
    }

    /// Makes the tracer, or says why it refuses.
    ///
    /// # Errors
    /// What [`Tracer::new`] returned.
    pub fn try_start(self) -> Result<Harness<T>, Error> {
        let mut world = World::default();
        world.host.destinations = self.destinations;
        if let Some(state) = self.state {
            world.host.set_state(state);
        }
        let tracer = world.make(&self.config, &self.identity, EPOCH, T::new)?;
        Ok(Harness {
            tracer,
            world,
            config: self.config,
            identity: self.identity,
            batch_size: self.batch_size,
            now: EPOCH,
            next_id: 1,
            pulled: PulledNames::default(),
        })
    }
}

/// A host with one tracer.
#[derive(Debug)]
pub struct Harness<T> {
    tracer: T,
    world: World,
    config: String,
    identity: Vec<(String, String)>,
    batch_size: usize,
    now: u64,
    next_id: u64,
    pulled: PulledNames,
}

impl<T: Tracer> Harness<T> {
    /// Makes the tracer without any configuration.
    ///
    /// # Panics
    /// If the tracer refuses.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// Begins to set up a harness.
    pub fn setup() -> Setup<T> {
        Setup {
            config: "{}".to_owned(),
            identity: Vec::new(),
            destinations: BTreeMap::new(),
            state: None,
            batch_size: 256,
            tracer: PhantomData,
        }
    }

    /// Calls have finished, in this order. The tracer gets them in batches of at most 256 or what was set up.
    pub fn finish(&mut self, calls: impl IntoIterator<Item = TestCall>) {
        let mut calls: Vec<TestCall> = calls.into_iter().collect();
        for call in &mut calls {
            if call.id == 0 {
                call.id = self.next_id;
                self.next_id += 1;
            }
        }
        while !calls.is_empty() {
            let rest = calls.split_off(self.batch_size.min(calls.len()));
            let batch = std::mem::replace(&mut calls, rest);
            let host = &mut self.world.host;
            let level = host.settings.level;
            let batch = Batch::new(Source::new(batch, level, &mut host.symbols, self.pulled.clone()));
            let tracer = &mut self.tracer;
            self.world.enter(|| Collects::finish(tracer, &batch));
        }
    }

    /// Lets the flush period pass, flushes, and commits.
    pub fn flush(&mut self) {
        self.flush_after(self.world.host.settings.flush_every, Cause::Period);
    }

    /// Lets time pass, flushes for a cause, and commits.
    pub fn flush_after(&mut self, elapsed: Duration, cause: Cause) {
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.now = self.now.saturating_add(elapsed);
        let at = Flush::new(cause.number(), self.now, elapsed);
        let tracer = &mut self.tracer;
        self.world.enter(|| Collects::flush(tracer, at));
        self.world.host.commit();
    }

    /// What the host does when a tracer has trapped: what was not committed is thrown away, and a new instance is made,
    /// which finds the committed state and metrics. Calls that were lost are not handed over again.
    ///
    /// # Panics
    /// If the tracer refuses to start again.
    #[track_caller]
    pub fn trap(&mut self) {
        self.world.new_instance();
        match self.world.make(&self.config, &self.identity, self.now, T::new) {
            Ok(tracer) => self.tracer = tracer,
            Err(error) => panic!("the tracer refuses to start again: {error}"),
        }
    }

    /// Makes the queue of every destination full, or no longer full.
    pub fn set_outbox_full(&mut self, full: bool) {
        self.world.host.full = full;
    }

    /// Gives the tracer a destination that takes payloads of at most so many bytes, or changes it, as an operator does
    /// who edits hottap.toml.
    pub fn set_max_payload(&mut self, destination: &str, bytes: u32) {
        self.world.host.destinations.insert(destination.to_owned(), bytes);
    }

    /// The tracer.
    pub fn tracer(&mut self) -> &mut T {
        &mut self.tracer
    }

    /// What the tracer asked for when it was made.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.world.host.settings
    }

    /// The committed value of a counter: the sum over all series that have these labels. None if there are none.
    #[must_use]
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.world.host.metrics.number(Kind::Counter, name, labels)
    }

    /// The committed value of a gauge: the sum over all series that have these labels. None if there are none.
    #[must_use]
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.world.host.metrics.number(Kind::Gauge, name, labels)
    }

    /// The committed value of a histogram: the sum over all series that have these labels. None if there are none.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<HistogramValue> {
        self.world.host.metrics.histogram(name, labels)
    }

    /// The labels of each committed series of a metric, as pairs of key and value.
    #[must_use]
    pub fn label_sets(&self, name: &str) -> Vec<Vec<(&str, &str)>> {
        self.world.host.metrics.label_sets(name)
    }

    /// Name and unit of every metric that was defined.
    pub fn metrics(&self) -> impl Iterator<Item = (&str, &str)> {
        self.world.host.metrics.definitions()
    }

    /// What the host would count as errors in its use: series that don't exist, values of the wrong kind.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        &self.world.host.metrics.errors
    }

    /// The committed lines of the log.
    #[must_use]
    pub fn log(&self) -> &[LogLine] {
        &self.world.host.log
    }

    /// The committed payloads.
    #[must_use]
    pub fn outbox(&self) -> &[Payload] {
        &self.world.host.outbox
    }

    /// The committed state.
    #[must_use]
    pub fn state(&self) -> Option<&[u8]> {
        self.world.host.state()
    }

    /// Which columns the tracer has asked for so far, by name. Each costs time in every batch.
    #[must_use]
    pub fn columns_pulled(&self) -> Vec<&'static str> {
        self.pulled.borrow().iter().copied().collect()
    }

    /// How often the tracer has asked for the texts of symbols.
    #[must_use]
    pub fn symbol_questions(&self) -> usize {
        self.world.host.symbols.questions
    }
}

impl<T: Streams> Harness<T> {
    /// Messages were sent or received on streams that are open. The tracer gets them at once, in the order of their
    /// times.
    pub fn progress(&mut self, moments: impl IntoIterator<Item = TestMoment>) {
        let moments: Vec<TestMoment> = moments.into_iter().collect();
        if moments.is_empty() {
            return;
        }
        let moments = Moments::new(MomentColumns::new(moments, &mut self.world.host.symbols));
        let tracer = &mut self.tracer;
        self.world.enter(|| Streams::progress(tracer, &moments));
    }
}
