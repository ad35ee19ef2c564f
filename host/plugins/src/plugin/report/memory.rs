//! The memory that all plugins share, as the admin API and the metrics show it.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::metrics::{Families, Kind, Samples};
use hottap_core::budget::Budget;

/// The budget and what is used of it, in bytes.
#[derive(Serialize)]
pub(super) struct MemoryStatus {
    budget_bytes: u64,
    used_bytes: u64,
    by_kind: BTreeMap<&'static str, u64>,
}

impl MemoryStatus {
    pub(super) fn of(budget: &Budget) -> Self {
        let by_kind = budget.by_kind().map(|(kind, used)| (kind.as_str(), used)).collect();
        Self { budget_bytes: budget.limit(), used_bytes: budget.used(), by_kind }
    }
}

pub(super) fn write(budget: &Budget, writer: &mut impl Families) {
    let help = "The memory that all plugins together may use.";
    writer.family("hottap_memory_budget_bytes", Kind::Gauge, help).sample([], budget.limit() as f64);
    let help = "The memory that all plugins together use, by kind.";
    let family = writer.family("hottap_memory_used_bytes", Kind::Gauge, help);
    for (kind, used) in budget.by_kind() {
        family.sample([("kind", kind.as_str())], used as f64);
    }
}
