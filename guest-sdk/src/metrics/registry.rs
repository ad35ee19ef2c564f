//! All instruments of a tracer, and the hand-over to the host when a flush is over.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::series::Gather;
use crate::host;

/// The instruments of one tracer (in tests: of one harness).
#[derive(Default)]
pub(crate) struct Registry {
    families: Vec<Rc<dyn Gather>>,
    buffers: HandOver,
}

/// What goes to the host in bulk: all counters and gauges in one call each. Histograms go one by one.
#[derive(Default)]
pub(crate) struct HandOver {
    add_to: Vec<u32>,
    add: Vec<f64>,
    set_to: Vec<u32>,
    set: Vec<f64>,
}

impl HandOver {
    pub(crate) fn add(&mut self, series: u32, value: f64) {
        self.add_to.push(series);
        self.add.push(value);
    }

    pub(crate) fn set(&mut self, series: u32, value: f64) {
        self.set_to.push(series);
        self.set.push(value);
    }

    fn send(&mut self) {
        // A gauge that was set and then added to hands over the sum of both, so the order of the two does not matter.
        if !self.add.is_empty() {
            host::add(&self.add_to, &self.add);
            self.add_to.clear();
            self.add.clear();
        }
        if !self.set.is_empty() {
            host::set(&self.set_to, &self.set);
            self.set_to.clear();
            self.set.clear();
        }
    }
}

thread_local! {
    static REGISTRY: RefCell<Registry> = RefCell::default();
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn swap_registry(other: &mut Registry) {
    REGISTRY.with_borrow_mut(|registry| std::mem::swap(registry, other));
}

pub(crate) fn add(family: Rc<dyn Gather>) {
    REGISTRY.with_borrow_mut(|registry| registry.families.push(family));
}

/// Hands over what was recorded since the last flush, and drops instruments that no one can reach any more.
pub(crate) fn hand_over(elapsed: Duration) {
    REGISTRY.with_borrow_mut(|registry| {
        let Registry { families, buffers } = registry;
        for family in families.iter() {
            family.gather(elapsed, buffers);
        }
        buffers.send();
        families.retain(|family| Rc::strong_count(family) > 1 || family.has_series_in_use());
    });
}
