//! Metrics that a tracer does not get, with the reason, for its operator and its author.

use hottap_core::lock::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use super::claims::Family;
use super::conventions::Convention;
use super::instrument::{Definition, Kind};

/// Metrics of one tracer that are named. More are only counted.
const MAX_NAMED: usize = 16;
/// Refusals of one tracer that are logged, over all its instances. More are in the admin API and the metrics.
const MAX_TOLD: usize = 64;

/// A metric that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedMetric {
    pub message: String,
    pub what_to_do: String,
}

impl RefusedMetric {
    pub(super) fn reserved(name: &str) -> Self {
        Self {
            message: format!(
                "its metric {name} is refused: names that begin with hottap are the host's own, and up, ALERTS, target_info and \
                 those that begin with scrape are Prometheus'"
            ),
            what_to_do: "give the metric another name in the tracer".to_owned(),
        }
    }

    pub(super) fn convention(definition: &Definition, broken: &Convention) -> Self {
        let Convention { name, kind, unit, page } = broken;
        let unit = if unit.is_empty() { "no unit" } else { unit };
        let message = if definition.name.eq_ignore_ascii_case(name) {
            format!(
                "its metric {name} is refused: OpenTelemetry's semantic conventions define it as a {} in {unit}, and the \
                 tracer as {}",
                kind.as_str(),
                shown(definition),
            )
        } else {
            format!(
                "its metric {} is refused: as {} it would have the name {} on Prometheus' page, which {page} has, the {} \
                 {name} of OpenTelemetry's semantic conventions",
                definition.name,
                shown(definition),
                definition.page,
                kind.as_str(),
            )
        };
        let what_to_do =
            format!("define it in the tracer as a {} {name} in {unit}, or give it a name of its own", kind.as_str());
        Self { message, what_to_do }
    }

    pub(super) fn taken(definition: &Definition, by: &Family) -> Self {
        let Family { tracer, metric, kind, page } = by;
        Self {
            message: format!(
                "its metric {} ({} on Prometheus' page, {}) is refused: the tracer {tracer} was live before and has {metric} \
                 ({page}, a {})",
                definition.name,
                definition.page,
                shown(definition),
                kind.as_str(),
            ),
            what_to_do: format!(
                "give it another name in one of the two, or the same kind and unit in both; once {tracer} is removed, the name \
                 is free when its series have been idle for an hour, for the instances that are made then"
            ),
        }
    }

    pub(super) fn twice(definition: &Definition, other: &Definition) -> Self {
        Self {
            message: format!(
                "its metric {} is refused: on Prometheus' page it would have the name {}, and its metric {} has that or a line \
                 of it ({}, a {})",
                definition.name,
                definition.page,
                other.name,
                other.page,
                other.kind.as_str(),
            ),
            what_to_do: "give one of the two another name in the tracer".to_owned(),
        }
    }
}

/// Kind and unit in words.
fn shown(definition: &Definition) -> String {
    let Definition { kind, unit, .. } = definition;
    let article = |kind: Kind| format!("a {}", kind.as_str());
    if unit.is_empty() { format!("{} without a unit", article(*kind)) } else { format!("{} in {unit}", article(*kind)) }
}

/// The refused metrics of one tracer.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// The newest instance, whose refusals count.
    instance: u64,
    by_metric: BTreeMap<Box<str>, RefusedMetric>,
    told: BTreeSet<RefusedMetric>,
}

impl Refusals {
    /// A new instance defines its metrics anew. Returns its number.
    pub(super) fn begin(&self) -> u64 {
        let mut noted = self.lock();
        noted.instance += 1;
        noted.by_metric.clear();
        noted.instance
    }

    /// Notes a refusal. Returns it if the log has not told it yet.
    pub(super) fn note(&self, instance: u64, metric: &str, refused: RefusedMetric) -> Option<RefusedMetric> {
        let mut noted = self.lock();
        if noted.instance != instance || noted.by_metric.get(metric) == Some(&refused) {
            return None;
        }
        if noted.by_metric.len() < MAX_NAMED || noted.by_metric.contains_key(metric) {
            noted.by_metric.insert(metric.into(), refused.clone());
        }
        (noted.told.len() < MAX_TOLD && noted.told.insert(refused.clone())).then_some(refused)
    }

    /// The metric was defined after all.
    pub(super) fn defined(&self, instance: u64, metric: &str) {
        let mut noted = self.lock();
        if noted.instance == instance {
            noted.by_metric.remove(metric);
        }
    }

    /// Those of the newest instance, by metric.
    pub(super) fn all(&self) -> Vec<RefusedMetric> {
        self.lock().by_metric.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(metric: &str) -> RefusedMetric {
        RefusedMetric::reserved(metric)
    }

    #[test]
    fn the_newest_instance_counts_and_each_refusal_is_told_once() {
        let refusals = Refusals::default();
        let first = refusals.begin();
        assert_eq!(refusals.note(first, "a", refused("a")), Some(refused("a")));
        assert_eq!(refusals.note(first, "a", refused("a")), None, "again and again");
        let second = refusals.begin();
        assert_eq!(refusals.all(), []);
        assert_eq!(refusals.note(first, "b", refused("b")), None, "its successor counts");
        assert_eq!(refusals.note(second, "a", refused("a")), None, "it was told");
        assert_eq!(refusals.all(), [refused("a")]);
        refusals.defined(second, "a");
        assert_eq!(refusals.all(), []);
    }

    #[test]
    fn a_flood_of_refusals_is_bounded() {
        let refusals = Refusals::default();
        let instance = refusals.begin();
        let told = (0..1_000).filter_map(|n| refusals.note(instance, &format!("m{n}"), refused(&format!("m{n}"))));
        assert_eq!(told.count(), MAX_TOLD);
        assert_eq!(refusals.all().len(), MAX_NAMED);
    }
}
