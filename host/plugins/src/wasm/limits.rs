//! What one instance may use: memory, tables, instances; and what one call may: CPU time.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use hottap_core::budget;
use hottap_core::budget::{Budget, OverBudget, Reservation};
use hottap_core::live::BUDGET;

/// Limits of one plugin.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of linear memory, over all memories of one instance. The Python runtime takes about 30 MiB.
    pub(crate) memory: usize,
    /// Table elements, over all tables of one instance.
    pub(crate) table_elements: usize,
    /// CPU time of one `finish` of at most 4,096 calls, and of one `progress` of as many messages.
    pub(crate) finish: Duration,
    /// CPU time of one `flush`.
    pub(crate) flush: Duration,
    /// CPU time of one `start`, with which the RPC waits.
    pub(crate) start: Duration,
    /// CPU time of making an instance and its `init`. A worker makes them, and the plugins on its thread wait.
    pub(crate) init: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 100_000,
            finish: Duration::from_millis(100),
            flush: Duration::from_millis(100),
            start: Duration::from_nanos(BUDGET),
            init: Duration::from_millis(100),
        }
    }
}

/// Bytes of linear memory of a starter: there are several instances, and a token and some headers are all they make.
const STARTER_MEMORY: usize = 8 << 20;

impl Limits {
    /// The same for an instance that starts.
    pub(crate) fn of_starter(self) -> Self {
        Self { memory: self.memory.min(STARTER_MEMORY), ..self }
    }
}

/// Core instances, tables and memories of one component instance. Python's has some ten.
const MAX_INSTANCES: usize = 64;
const MAX_TABLES: usize = 64;
const MAX_MEMORIES: usize = 16;

/// Counts what an instance holds, over all its memories and tables.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    /// Its part of the memory that all plugins share.
    shared: Reservation,
    memory: usize,
    table_elements: usize,
    refused: Option<Refused>,
}

/// A limit that refused memory to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// More than its own limit, of this.
    Own(&'static str),
    /// More than is left of what all plugins share.
    Shared(OverBudget),
}

/// The kinds of memory that an instance holds.
#[derive(Clone, Copy)]
enum Kind {
    Memory,
    Table,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Table => "table elements",
        }
    }
}

/// Bytes of a table's element.
const ELEMENT_BYTES: u64 = 16;

impl Limiter {
    pub(super) fn new(limits: Limits, budget: &Budget) -> Self {
        Self { limits, shared: budget.none(budget::Kind::Instances), memory: 0, table_elements: 0, refused: None }
    }

    /// Bytes of linear memory.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// What was refused last, if anything: most guests trap soon after.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Lets one kind grow by so many units, if neither its own limit nor what all plugins share is exceeded.
    fn grow(&mut self, kind: Kind, by: usize) -> bool {
        let Self { limits, shared, memory, table_elements, refused } = self;
        let (held, limit, unit) = match kind {
            Kind::Memory => (memory, limits.memory, 1),
            Kind::Table => (table_elements, limits.table_elements, ELEMENT_BYTES),
        };
        let (bytes, after) = ((by as u64).saturating_mul(unit), held.saturating_add(by));
        if let Err(over) = shared.grow(bytes) {
            *refused = Some(Refused::Shared(over));
            return false;
        }
        if after > limit {
            shared.shrink(bytes);
            *refused = Some(Refused::Own(kind.as_str()));
            return false;
        }
        *held = after;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(Kind::Memory, desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(Kind::Table, desired.saturating_sub(current)))
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}
