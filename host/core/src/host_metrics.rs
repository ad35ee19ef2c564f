//! Metrics of the host that parts outside of the core tell, such as servers and exporters.

use crate::lock::lock;
use std::sync::{Arc, Mutex, Weak};

/// The kind of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A total since the start.
    Counter,
    /// A value that rises and falls.
    Gauge,
}

/// Values of one name.
#[derive(Clone, Debug)]
pub struct MetricFamily {
    /// Its name, as Prometheus has it.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// One sentence for the reader.
    pub help: &'static str,
    /// The values, each with its labels.
    pub samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// A part that has metrics of its own.
pub trait MetricSource: Send + Sync {
    /// The families as they are now. Called by whoever reads the host's metrics; must not block.
    fn families(&self) -> Vec<MetricFamily>;
}

/// The sources of one Hottap. Each is shown for as long as its owner keeps it.
#[derive(Default)]
pub struct MetricSources(Mutex<Vec<Weak<dyn MetricSource>>>);

impl MetricSources {
    /// Adds a source.
    pub fn add(&self, source: &Arc<impl MetricSource + 'static>) {
        let mut sources = lock(&self.0);
        sources.retain(|source| source.strong_count() > 0);
        let source = Arc::downgrade(source);
        sources.push(source);
    }

    /// The families of all sources; samples of one name are together.
    pub fn families(&self) -> Vec<MetricFamily> {
        // Asked without the lock: a source may belong to a server that is just adding another.
        let sources: Vec<_> = {
            let sources = lock(&self.0);
            sources.iter().filter_map(Weak::upgrade).collect()
        };
        let mut families: Vec<MetricFamily> = Vec::new();
        for family in sources.iter().flat_map(|source| source.families()) {
            match families.iter_mut().find(|known| known.name == family.name) {
                Some(known) => known.samples.extend(family.samples),
                None => families.push(family),
            }
        }
        families
    }
}
