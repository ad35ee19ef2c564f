//! What one instance of a tracer records between two flushes: invisible until it is committed, all at once.

mod slots;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use self::slots::{Change, Entry, NOWHERE, Role, Slots};
use super::conventions;
use super::instrument::{Definition, Kind};
use super::limits::SeriesLimits;
use super::misuse::Misuse;
use super::refused::RefusedMetric;
use super::registry::{Owner, Registry};
use super::series::{LabelValues, write_label_values};

/// Ids that one instance can get, those whose series were given up included. It bounds what an instance costs that
/// runs for a year and sees new label values every minute; with fewer it would end in its overflow series sooner.
const MAX_IDS: usize = 32_768;

/// How often one instance can define its metrics otherwise, as a multiple of how many it may have.
const REDEFINITIONS: usize = 8;

/// What one instance of a tracer records; its methods are those of the interface `metrics` of the contract.
///
/// Ids mean something in this stage alone and stay valid for as long as it lives. Nothing here fails: what is wrong is
/// counted by reason (see `Registry::usage`) and has no other effect. Adding, setting, merging and committing allocate
/// nothing once a series was committed; committing costs as much as there are series that were touched. Dropping it
/// discards. The next stage of the same tracer goes on with the same committed series.
pub struct Stage {
    registry: Arc<Registry>,
    owner: Arc<Owner>,
    /// Its number among the stages of its tracer.
    instance: u64,
    limits: SeriesLimits,
    /// The instrument with id n stands at n - 1.
    instruments: Vec<Instrument>,
    /// What is defined now, as ids by name.
    by_name: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    slots: Slots,
    /// Series that hold labels, which is what the limit is about.
    labelled: usize,
    /// Whether a series found no room since idle ones were last given up.
    full: bool,
    next_reclaim: u64,
    /// Bytes in definitions.
    bytes: usize,
    key: Vec<u8>,
}

struct Instrument {
    definition: Arc<Definition>,
    series: HashMap<LabelValues, u32, foldhash::fast::RandomState>,
    /// The id of the overflow series; [`NOWHERE`] if there is none yet.
    overflow: u32,
    replaced: bool,
}

impl Stage {
    pub(crate) fn new(registry: Arc<Registry>, tracer: Arc<str>, limits: SeriesLimits) -> Self {
        let owner = registry.owner(tracer);
        let instance = owner.refusals.begin();
        Self {
            registry,
            owner,
            instance,
            limits,
            instruments: Vec::new(),
            by_name: HashMap::default(),
            slots: Slots::new(),
            labelled: 0,
            full: false,
            next_reclaim: 0,
            bytes: 0,
            key: Vec::new(),
        }
    }

    /// The metrics that are defined now, by name.
    #[cfg(feature = "compiler")]
    pub(crate) fn defined(&self) -> impl Iterator<Item = super::instrument::Defined> {
        let sorted: std::collections::BTreeMap<&str, u32> =
            self.by_name.iter().map(|(name, id)| (&**name, *id)).collect();
        let ids = sorted.into_values();
        ids.filter_map(|id| self.instruments.get(id as usize - 1)).map(|of| of.definition.shown())
    }

    /// What the tracer did wrong with its metrics since its first instance: the reason and how often.
    #[cfg(feature = "compiler")]
    pub(crate) fn errors(&self) -> Vec<(&'static str, u64)> {
        self.owner.misuses.counts()
    }

    /// The metrics that were refused for the sake of others, by name.
    #[cfg(feature = "compiler")]
    pub(crate) fn refused(&self) -> Vec<RefusedMetric> {
        self.owner.refusals.all()
    }

    /// Defines a monotonic sum. A definition that is refused returns an id that swallows.
    pub(crate) fn counter(&mut self, name: &str, unit: &str, help: &str, keys: &[impl AsRef<str>]) -> u32 {
        self.define(name, Definition::new(Kind::Counter, name, unit, help, keys, &[]))
    }

    /// Defines a value that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, unit: &str, help: &str, keys: &[impl AsRef<str>]) -> u32 {
        self.define(name, Definition::new(Kind::Gauge, name, unit, help, keys, &[]))
    }

    /// Defines a histogram with these inclusive upper bounds and one more bucket for what is above the last.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        unit: &str,
        help: &str,
        keys: &[impl AsRef<str>],
        bounds: &[f64],
    ) -> u32 {
        self.define(name, Definition::new(Kind::Histogram, name, unit, help, keys, bounds))
    }

    /// The series of a metric with these label values, one for each key, each cut at 256 bytes.
    pub(crate) fn series_of(&mut self, instrument: u32, values: &[impl AsRef<str>]) -> u32 {
        if instrument == NOWHERE {
            return NOWHERE;
        }
        let Some(of) = self.instruments.get_mut(instrument as usize - 1) else {
            return self.refuse(Misuse::UnknownId);
        };
        if of.replaced {
            return self.refuse(Misuse::Replaced);
        }
        if of.definition.labels.len() != values.len() {
            return self.refuse(Misuse::Length);
        }
        write_label_values(&mut self.key, values);
        if let Some(&id) = of.series.get(self.key.as_slice()) {
            return id;
        }
        let (role, buckets) = (Role::of(of.definition.kind), of.definition.buckets());
        let bytes = self.bytes + self.slots.bytes() + Slots::cost(self.key.len(), buckets);
        if self.labelled < self.limits.series && self.slots.entries.len() < MAX_IDS && bytes <= self.limits.bytes {
            let labels: LabelValues = self.key.as_slice().into();
            let id = self.slots.push(instrument, role, Some(Arc::clone(&labels)), buckets);
            of.series.insert(labels, id);
            self.labelled += 1;
            return id;
        }
        self.full = true;
        self.owner.misuses.count(Misuse::TooManySeries);
        overflow(&mut self.slots, instrument, of)
    }

    /// Adds to counters and gauges; element i of `values` to element i of `to`.
    pub(crate) fn add(&mut self, to: &[u32], values: &[f64]) {
        if to.len() != values.len() {
            self.refuse(Misuse::Length);
            return;
        }
        for (&id, &value) in to.iter().zip(values) {
            if let Err(misuse) = self.slots.add(&self.owner.misuses, id, value) {
                self.owner.misuses.count(misuse);
            }
        }
    }

    /// Sets gauges; element i of `values` to element i of `to`.
    pub(crate) fn set(&mut self, to: &[u32], values: &[f64]) {
        if to.len() != values.len() {
            self.refuse(Misuse::Length);
            return;
        }
        for (&id, &value) in to.iter().zip(values) {
            if let Err(misuse) = self.slots.set(&self.owner.misuses, id, value) {
                self.owner.misuses.count(misuse);
            }
        }
    }

    /// Adds to a histogram: one count per bucket, and the sum of the values.
    pub(crate) fn merge(&mut self, to: u32, counts: &[u64], sum: f64) {
        if let Err(misuse) = self.slots.merge(&self.owner.misuses, to, counts, sum) {
            self.owner.misuses.count(misuse);
        }
    }

    /// Makes everything staged since the last commit visible at once, and forgets idle series.
    ///
    /// Cannot fail: a series that finds no room in the registry goes to the overflow series. Holds off readers and
    /// other commits of this tracer, and waits for them, for as long as copying its values takes.
    pub(crate) fn commit(&mut self, now_ms: u64) {
        let Self { registry, owner, limits, instruments, slots, .. } = self;
        let mut state = owner.lock();
        registry.sweep(&mut state, now_ms);
        slots.drain(|instrument, target, change| {
            let of = instruments.get((instrument as usize).wrapping_sub(1));
            let (Some(of), false) = (of, matches!(change, Change::Replaced)) else {
                owner.misuses.count(Misuse::Replaced);
                return;
            };
            *target.last = now_ms;
            if !target.series.as_ref().is_some_and(|series| series.is_live()) {
                *target.series = registry.resolve(&mut state, &of.definition, target.labels, limits, now_ms);
            }
            let overflow = if target.series.is_none() {
                owner.misuses.count(Misuse::TooManySeries);
                registry.resolve(&mut state, &of.definition, None, limits, now_ms)
            } else {
                None
            };
            let Some(series) = target.series.as_ref().or(overflow.as_ref()) else { return };
            match change {
                Change::Add(value) => series.add(value),
                Change::Set(value) => series.set(value),
                Change::Merge(counts, sum) => series.merge(counts, sum),
                Change::Replaced => return,
            }
            series.touch(now_ms);
        });
        drop(state);
        self.reclaim(now_ms);
    }

    /// Bytes that this stage holds, about.
    fn bytes(&self) -> usize {
        self.bytes + self.slots.bytes()
    }

    fn define(&mut self, name: &str, definition: Result<Definition, Misuse>) -> u32 {
        let mut definition = match definition {
            Ok(definition) => definition,
            Err(Misuse::Reserved) => return self.refuse_name(Misuse::Reserved, name, RefusedMetric::reserved(name)),
            Err(misuse) => return self.refuse(misuse),
        };
        let known = self.by_name.get(&definition.name).copied();
        if let Some(id) = known
            && let Some(of) = self.instruments.get(id as usize - 1)
            && of.definition.same_series(&definition)
        {
            return id;
        }
        let bytes = definition.bytes() + size_of::<Instrument>();
        if known.is_none() && self.by_name.len() >= self.limits.instruments
            || self.instruments.len() >= self.limits.instruments.saturating_mul(REDEFINITIONS)
            || self.bytes() + bytes > self.limits.bytes
        {
            return self.refuse(Misuse::TooManyInstruments);
        }
        match self.claim(&mut definition) {
            Ok(()) => self.owner.refusals.defined(self.instance, name),
            Err((misuse, refused)) => return self.refuse_name(misuse, name, refused),
        }
        if let Some(id) = known {
            self.replace(id);
        }
        self.bytes += bytes;
        let name = definition.name.clone();
        self.instruments.push(Instrument {
            definition: Arc::new(definition),
            series: HashMap::default(),
            overflow: NOWHERE,
            replaced: false,
        });
        let id = self.instruments.len() as u32;
        self.by_name.insert(name, id);
        id
    }

    /// Claims the names of a metric, which no other metric may have for something else.
    fn claim(&self, definition: &mut Definition) -> Result<(), (Misuse, RefusedMetric)> {
        if let Some(broken) = conventions::broken_by(definition) {
            return Err((Misuse::Convention, RefusedMetric::convention(definition, broken)));
        }
        let own = self.by_name.values().filter_map(|id| self.instruments.get(*id as usize - 1));
        let mut others = own.map(|of| &of.definition).filter(|other| other.name != definition.name);
        if let Some(other) = others.find(|other| other.overlaps(definition)) {
            return Err((Misuse::Taken, RefusedMetric::twice(definition, other)));
        }
        match self.registry.claims.claim(&self.owner.tracer, definition) {
            Ok(claim) => definition.claim = Some(claim),
            Err(family) => return Err((Misuse::Taken, RefusedMetric::taken(definition, &family))),
        }
        Ok(())
    }

    /// Ends a metric that is being defined otherwise: values for its series are counted and have no other effect.
    fn replace(&mut self, instrument: u32) {
        if let Some(of) = self.instruments.get_mut(instrument as usize - 1) {
            of.replaced = true;
            of.series = HashMap::default();
        }
        for id in 0..self.slots.entries.len() {
            if self.slots.entries.get(id).is_some_and(|entry| entry.instrument == instrument) {
                let labels = self.slots.end(id as u32, Role::Replaced, NOWHERE);
                self.labelled -= usize::from(labels.is_some());
            }
        }
    }

    /// When series found no room: gives up those that have been idle for as long as the registry keeps them, so that
    /// an instance that lives for months does not end with its overflow series alone.
    fn reclaim(&mut self, now_ms: u64) {
        if !self.full || now_ms < self.next_reclaim {
            return;
        }
        let idle_ms = self.registry.idle_ms();
        self.full = false;
        self.next_reclaim = now_ms.saturating_add((idle_ms / 16).max(1));
        for id in 0..self.slots.entries.len() {
            let Some(entry) = self.slots.entries.get_mut(id) else { continue };
            if entry.last == Entry::NEVER {
                // Made, but not used yet: its time begins now.
                entry.last = now_ms;
            }
            if entry.labels.is_none() || now_ms.saturating_sub(entry.last) < idle_ms {
                continue;
            }
            let instrument = entry.instrument;
            let Some(of) = self.instruments.get_mut((instrument as usize).wrapping_sub(1)) else { continue };
            let moved = overflow(&mut self.slots, instrument, of);
            if let Some(labels) = self.slots.end(id as u32, Role::Moved, moved) {
                of.series.remove(&labels);
                self.labelled -= 1;
            }
        }
    }

    /// Refuses a metric for the sake of another one. That is logged, once: the tracer's author has to change it.
    fn refuse_name(&self, misuse: Misuse, name: &str, refused: RefusedMetric) -> u32 {
        if let Some(RefusedMetric { message, what_to_do }) = self.owner.refusals.note(self.instance, name, refused)
            && self.registry.is_read()
        {
            tracing::warn!(tracer = &*self.owner.tracer, "{message}; {what_to_do}");
        }
        self.refuse(misuse)
    }

    fn refuse(&self, misuse: Misuse) -> u32 {
        self.owner.misuses.count(misuse);
        NOWHERE
    }
}

/// The id of a metric's overflow series. There is one per metric, so that they need no bound of their own.
fn overflow(slots: &mut Slots, instrument: u32, of: &mut Instrument) -> u32 {
    if of.overflow == NOWHERE {
        of.overflow = slots.push(instrument, Role::of(of.definition.kind), None, of.definition.buckets());
    }
    of.overflow
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("tracer", &self.owner.tracer)
            .field("instruments", &self.by_name.len())
            .field("series", &self.labelled)
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
