//! The staged values of one instance, indexed by the ids of its series; knows neither definitions nor the registry.

use std::sync::Arc;

use crate::metrics::instrument::Kind;
use crate::metrics::misuse::{Misuse, Misuses};
use crate::metrics::series::{LabelValues, Series};

/// The id of the series that swallows.
pub(super) const NOWHERE: u32 = 0;

/// What a key costs in the map that leads from it to an id, with its place there.
const MAP_BYTES: usize = 48;

/// Staged values. What every `add` needs stands apart from what few calls need.
pub(super) struct Slots {
    cells: Vec<Cell>,
    pub(super) entries: Vec<Entry>,
    /// Series with a staged value, each once.
    touched: Vec<u32>,
    /// Bytes on the heap, about.
    bytes: usize,
}

/// A staged value.
struct Cell {
    value: f64,
    role: Role,
    touched: bool,
    /// Whether a gauge's value replaces the committed one instead of being added to it.
    set: bool,
    /// Where a series that was given up sends its values.
    moved: u32,
}

/// What a series does with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Counter,
    Gauge,
    Histogram,
    /// Was idle and gave up its place: an id that a guest kept now means the overflow series.
    Moved,
    /// Belongs to a definition that another one replaced.
    Replaced,
    /// Belongs to a definition that was refused.
    Nowhere,
}

/// What belongs to a series beside its staged value.
pub(super) struct Entry {
    /// The id of its instrument; 0 on the series that swallows.
    pub(super) instrument: u32,
    /// None on the overflow series, and once the series was given up.
    pub(super) labels: Option<LabelValues>,
    /// The committed series, once a commit has found it.
    pub(super) target: Option<Arc<Series>>,
    /// When it was last committed, in milliseconds; [`Entry::NEVER`] as long as nobody looked.
    pub(super) last: u64,
    /// Staged counts of a histogram.
    buckets: Box<[u64]>,
}

/// What is to be done to a committed series.
pub(super) enum Change<'a> {
    Add(f64),
    Set(f64),
    Merge(&'a [u64], f64),
    /// The definition was replaced after the value was staged.
    Replaced,
}

impl Slots {
    pub(super) fn new() -> Self {
        let mut slots = Self { cells: Vec::new(), entries: Vec::new(), touched: Vec::new(), bytes: 0 };
        slots.push(NOWHERE, Role::Nowhere, None, 0);
        slots
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What [`Slots::push`] would add to [`Slots::bytes`], and the map to the id beside it.
    pub(super) fn cost(labels: usize, buckets: usize) -> usize {
        size_of::<Cell>() + size_of::<Entry>() + 8 * buckets + labels + MAP_BYTES
    }

    /// Makes a series and returns its id.
    pub(super) fn push(&mut self, instrument: u32, role: Role, labels: Option<LabelValues>, buckets: usize) -> u32 {
        let id = self.cells.len();
        let buckets = vec![0; buckets].into_boxed_slice();
        let entry = Entry { instrument, labels, target: None, last: Entry::NEVER, buckets };
        self.bytes += size_of::<Cell>() + size_of::<Entry>() + entry.bytes();
        self.cells.push(Cell { value: 0.0, role, touched: false, set: false, moved: NOWHERE });
        self.entries.push(entry);
        // Room for every id, so that no `add` has to allocate.
        self.touched.reserve(self.cells.len() - self.touched.len());
        id as u32
    }

    /// Ends a series: its values go to another one from now on (`Moved`) or nowhere (`Replaced`). What it holds on the
    /// heap is freed; its labels are returned.
    pub(super) fn end(&mut self, id: u32, role: Role, moved: u32) -> Option<LabelValues> {
        let cell = self.cells.get_mut(id as usize)?;
        let entry = self.entries.get_mut(id as usize)?;
        cell.role = role;
        cell.moved = moved;
        self.bytes -= entry.bytes();
        entry.target = None;
        entry.buckets = Box::default();
        entry.labels.take()
    }

    pub(super) fn add(&mut self, misuses: &Misuses, id: u32, value: f64) -> Result<(), Misuse> {
        let id = self.follow(misuses, id);
        let cell = self.cells.get_mut(id as usize).ok_or(Misuse::UnknownId)?;
        match cell.role {
            Role::Counter if value < 0.0 => return Err(Misuse::Negative),
            Role::Counter | Role::Gauge => {}
            role => return Err(role.misuse()),
        }
        cell.value = finite(cell.value + value)?;
        cell.touch(id, &mut self.touched);
        Ok(())
    }

    pub(super) fn set(&mut self, misuses: &Misuses, id: u32, value: f64) -> Result<(), Misuse> {
        let id = self.follow(misuses, id);
        let cell = self.cells.get_mut(id as usize).ok_or(Misuse::UnknownId)?;
        if cell.role != Role::Gauge {
            return Err(cell.role.misuse());
        }
        cell.value = finite(value)?;
        cell.set = true;
        cell.touch(id, &mut self.touched);
        Ok(())
    }

    pub(super) fn merge(&mut self, misuses: &Misuses, id: u32, counts: &[u64], sum: f64) -> Result<(), Misuse> {
        let id = self.follow(misuses, id);
        let cell = self.cells.get_mut(id as usize).ok_or(Misuse::UnknownId)?;
        let entry = self.entries.get_mut(id as usize).ok_or(Misuse::UnknownId)?;
        if cell.role != Role::Histogram {
            return Err(cell.role.misuse());
        }
        if entry.buckets.len() != counts.len() {
            return Err(Misuse::Length);
        }
        cell.value = finite(cell.value + sum)?;
        for (bucket, count) in entry.buckets.iter_mut().zip(counts) {
            *bucket = bucket.saturating_add(*count);
        }
        cell.touch(id, &mut self.touched);
        Ok(())
    }

    /// Hands over every staged change, each once, and forgets it.
    pub(super) fn drain(&mut self, mut each: impl FnMut(u32, &mut Target<'_>, Change<'_>)) {
        for id in self.touched.drain(..) {
            let (Some(cell), Some(entry)) = (self.cells.get_mut(id as usize), self.entries.get_mut(id as usize)) else {
                continue;
            };
            let change = match cell.role {
                Role::Counter => Change::Add(cell.value),
                Role::Gauge if cell.set => Change::Set(cell.value),
                Role::Gauge => Change::Add(cell.value),
                Role::Histogram => Change::Merge(&entry.buckets, cell.value),
                Role::Moved | Role::Replaced | Role::Nowhere => Change::Replaced,
            };
            let mut target = Target { labels: entry.labels.as_ref(), series: &mut entry.target, last: &mut entry.last };
            each(entry.instrument, &mut target, change);
            cell.value = 0.0;
            cell.touched = false;
            cell.set = false;
            entry.buckets.fill(0);
        }
    }

    /// Where the values for an id are staged.
    fn follow(&self, misuses: &Misuses, id: u32) -> u32 {
        match self.cells.get(id as usize) {
            Some(Cell { role: Role::Moved, moved, .. }) => {
                misuses.count(Misuse::TooManySeries);
                *moved
            }
            _ => id,
        }
    }
}

/// Where a change goes.
pub(super) struct Target<'a> {
    /// None: to the overflow series.
    pub(super) labels: Option<&'a LabelValues>,
    /// The committed series that the last commit found.
    pub(super) series: &'a mut Option<Arc<Series>>,
    /// When it was last committed, in milliseconds.
    pub(super) last: &'a mut u64,
}

impl Cell {
    fn touch(&mut self, id: u32, touched: &mut Vec<u32>) {
        if !self.touched {
            self.touched = true;
            touched.push(id);
        }
    }
}

impl Entry {
    pub(super) const NEVER: u64 = u64::MAX;

    /// Bytes on the heap, and in the map from the labels to the id.
    fn bytes(&self) -> usize {
        8 * self.buckets.len() + self.labels.as_ref().map_or(0, |labels| labels.len() + MAP_BYTES)
    }
}

impl Role {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }

    /// Why a series of this role does not take a value.
    fn misuse(self) -> Misuse {
        match self {
            Self::Counter | Self::Gauge | Self::Histogram | Self::Moved => Misuse::Kind,
            Self::Replaced => Misuse::Replaced,
            Self::Nowhere => Misuse::Refused,
        }
    }
}

fn finite(value: f64) -> Result<f64, Misuse> {
    if value.is_finite() { Ok(value) } else { Err(Misuse::NotFinite) }
}
