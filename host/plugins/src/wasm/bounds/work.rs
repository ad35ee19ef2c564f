//! The time and memory that compiling a file takes, estimated from counts. Pure.
//!
//! Each weight is what its worst family of modules took on the machine of docs/decisions/0190, rounded up: the estimate
//! is an upper bound, and real guests take a half of it or less.

use std::time::Duration;

use super::BoundsError;
use super::function::FunctionWork;

/// Nanoseconds of the longest compile. Python's, the largest guest in use, is estimated at a half of it.
pub(super) const MAX_NANOS: u64 = 10_000_000_000;
/// Bytes of the largest compile: what is left of 1 GiB when this process and the file's own bytes are there.
pub(super) const MAX_BYTES: u64 = 900 << 20;
/// Modules up to this estimate are compiled with every optimization: those of Rust and C. The effort grows faster than
/// the functions do, so a larger module is compiled by algorithms that are linear, and its code is slower.
const MAX_OPTIMIZED_NANOS: u64 = 3_000_000_000;

/// Weights in nanoseconds.
struct Weights {
    function: u64,
    operator: u64,
    costly: u64,
    bulky: u64,
    value: u64,
    local: u64,
    carried: u64,
    /// The cost of each carried value beyond that in a function that carries [`MANY`], and proportionally less in
    /// others.
    carried_in_many: u64,
    spilled: u64,
}

/// With linear algorithms.
const QUICK: Weights = Weights {
    function: 40_000,
    operator: 400,
    costly: 3_500,
    bulky: 50_000,
    value: 800,
    local: 100,
    carried: 100,
    carried_in_many: 300,
    spilled: 2,
};
/// With every optimization.
const OPTIMIZED: Weights = Weights {
    function: 60_000,
    operator: 700,
    costly: 8_000,
    bulky: 100_000,
    value: 6_000,
    local: 100,
    carried: 3_500,
    carried_in_many: 0,
    spilled: 45,
};

/// Values that are carried in the largest functions, whose tables do not fit into the processor's caches.
const MANY: u64 = 20_000_000;
/// Finding loops in loops takes this for each loop and the square of how many are open.
const NESTING_NANOS: f64 = 1.3;
/// A type has a function of its own that calls functions of this type from outside.
const TYPE_NANOS: u64 = 90_000;
const TYPE_VALUE_NANOS: u64 = 1_200;
/// A function in a table or among the exports has another one around it.
const ELEMENT_NANOS: u64 = 45_000;
const ITEM_NANOS: u64 = 2_000;
const COMPONENT_ITEM_NANOS: u64 = 10_000;
const COMPONENT_FUNCTION_NANOS: u64 = 300_000;
const FILE_BYTE_NANOS: u64 = 10;

/// Bytes of a function while it is compiled.
const OPERATOR_BYTES: u64 = 300;
const COSTLY_BYTES: u64 = 2_000;
const BULKY_BYTES: u64 = 16_000;
const VALUE_BYTES: u64 = 480;
const LOCAL_BYTES: u64 = 100;
const CARRIED_BYTES: u64 = 30;
/// Bytes that are kept until all are compiled.
const FUNCTION_BYTES: u64 = 6_500;
const TYPE_BYTES: u64 = 9_000;
const TYPE_VALUE_BYTES: u64 = 180;
const ITEM_BYTES: u64 = 500;
const COMPONENT_ITEM_BYTES: u64 = 2_000;
const CODE_OF_COSTLY: u64 = 40;
/// The file, the component made of it, and the artifact, some of them twice.
const COPIES_OF_FILE: u64 = 5;

/// The time and memory that compiling takes, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Nanoseconds with linear algorithms, and with every optimization.
    quick: u64,
    optimized: u64,
    /// Bytes of everything that is kept until the end.
    kept: u64,
    /// Bytes of the largest function, which are given back when the next one is compiled.
    largest: u64,
}

impl Work {
    pub(super) fn of_file(bytes: u64) -> Self {
        let nanos = bytes.saturating_mul(FILE_BYTE_NANOS);
        Self { quick: nanos, optimized: nanos, kept: bytes.saturating_mul(COPIES_OF_FILE), largest: 0 }
    }

    pub(super) fn add_type(&mut self, values: u64) {
        self.add(1, TYPE_NANOS + values * TYPE_VALUE_NANOS, TYPE_BYTES + values * TYPE_VALUE_BYTES);
    }

    pub(super) fn add_functions(&mut self, count: u64) {
        self.add(count, QUICK.function, FUNCTION_BYTES);
    }

    /// Functions in tables and among exports.
    pub(super) fn add_elements(&mut self, count: u64) {
        self.add(count, ELEMENT_NANOS, FUNCTION_BYTES);
    }

    pub(super) fn add_items(&mut self, count: u64) {
        self.add(count, ITEM_NANOS, ITEM_BYTES);
    }

    pub(super) fn add_component_items(&mut self, count: u64) {
        self.add(count, COMPONENT_ITEM_NANOS, COMPONENT_ITEM_BYTES);
    }

    pub(super) fn add_component_functions(&mut self, count: u64) {
        self.add(count, COMPONENT_FUNCTION_NANOS, FUNCTION_BYTES);
    }

    pub(super) fn add_body(&mut self, function: u32, work: &FunctionWork) -> Result<(), BoundsError> {
        self.quick = self.quick.saturating_add(nanos(work, &QUICK));
        self.optimized = self.optimized.saturating_add(nanos(work, &OPTIMIZED));
        self.kept = self.kept.saturating_add((work.costly + 5 * work.bulky).saturating_mul(CODE_OF_COSTLY));
        let bytes = sum(&[
            (work.operators, OPERATOR_BYTES),
            (work.costly, COSTLY_BYTES),
            (work.bulky, BULKY_BYTES),
            (work.values, VALUE_BYTES),
            (work.locals, LOCAL_BYTES),
            (work.carried, CARRIED_BYTES),
        ]);
        self.largest = self.largest.max(bytes);
        if bytes > MAX_BYTES {
            return Err(BoundsError::FunctionMemory { function, needed: bytes >> 20 });
        }
        Ok(())
    }

    /// The compiler may take its time to optimize the module.
    pub(crate) fn is_optimized(&self) -> bool {
        self.optimized <= MAX_OPTIMIZED_NANOS
    }

    /// The time that compiling takes at most.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(if self.is_optimized() { self.optimized } else { self.quick })
    }

    /// Bytes of memory that compiling takes at most.
    pub(crate) fn memory(&self) -> u64 {
        self.kept.saturating_add(self.largest)
    }

    fn add(&mut self, count: u64, nanos: u64, bytes: u64) {
        let nanos = count.saturating_mul(nanos);
        self.quick = self.quick.saturating_add(nanos);
        self.optimized = self.optimized.saturating_add(nanos);
        self.kept = self.kept.saturating_add(count.saturating_mul(bytes));
    }

    /// Compares what has been added up so far with the bounds.
    pub(crate) fn check(&self) -> Result<(), BoundsError> {
        if self.quick > MAX_NANOS {
            return Err(BoundsError::Time { needed: self.quick.div_ceil(1_000_000_000) });
        }
        if self.memory() > MAX_BYTES {
            return Err(BoundsError::Memory { needed: self.memory() >> 20 });
        }
        Ok(())
    }
}

fn nanos(work: &FunctionWork, weights: &Weights) -> u64 {
    let more = (work.carried as f64 / MANY as f64 * weights.carried_in_many as f64) as u64;
    let nesting = (work.nesting as f64 * NESTING_NANOS) as u64;
    sum(&[
        (work.operators, weights.operator),
        (work.costly, weights.costly),
        (work.bulky, weights.bulky),
        (work.values, weights.value),
        (work.locals, weights.local),
        (work.carried, weights.carried.saturating_add(more)),
        (work.spilled, weights.spilled),
        (nesting, 1),
    ])
}

fn sum(terms: &[(u64, u64)]) -> u64 {
    terms.iter().fold(0, |sum, (count, weight)| sum.saturating_add(count.saturating_mul(*weight)))
}
