//! The series of one instrument: one set of label values each, with what was recorded since the last flush.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::registry::HandOver;
use crate::host;

/// Series of one instrument that the guest keeps. More label values than this within one flush period share one series
/// whose values are all `_OTHER`; the host has a bound of its own, which is lower unless the operator raised it.
pub(crate) const MAX_SERIES: usize = 4096;
/// A series without a value for this long is forgotten. The host forgets too, an hour after the last value by default,
/// and an id that it forgot would lose values; so this must be shorter.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(300);
/// A label's value, where there are too many.
const OTHER: &str = "_OTHER";

/// What a series keeps between flushes: a cheap handle, of which the family and those who record have one each.
pub(crate) trait Recorded: Clone + 'static {
    /// Takes what was recorded since the last time, and leaves nothing behind; false if that is nothing. `series` gives
    /// the host's id for it.
    fn hand_over(&self, series: impl FnOnce() -> u32, to: &mut HandOver) -> bool;
    /// Whether anyone beside the family can record.
    fn is_in_use(&self) -> bool;
}

/// One set of label values.
struct Series<R> {
    values: Vec<String>,
    /// The host's id, once something was handed over.
    id: Option<u32>,
    /// How long there was nothing to hand over.
    idle: Duration,
    recorded: R,
}

/// An instrument and its series.
pub(crate) struct Family<R> {
    name: String,
    label_keys: usize,
    /// The host's id of the instrument.
    id: u32,
    /// Sorted by their values.
    series: RefCell<Vec<Series<R>>>,
    new: Box<dyn Fn() -> R>,
}

impl<R: Recorded> Family<R> {
    pub(crate) fn new(name: String, label_keys: usize, id: u32, new: impl Fn() -> R + 'static) -> Rc<Self> {
        let family = Rc::new(Self { name, label_keys, id, series: RefCell::default(), new: Box::new(new) });
        super::registry::add(family.clone());
        family
    }

    /// The series with these label values; see `MAX_SERIES`.
    pub(crate) fn with(&self, values: &[&str]) -> R {
        debug_assert_eq!(values.len(), self.label_keys, "{}: one value for each label key", self.name);
        if values.len() == self.label_keys {
            self.find_or_add(values, MAX_SERIES)
        } else {
            // The host wants exactly one value for each key.
            let padded = values.iter().copied().chain(std::iter::repeat("")).take(self.label_keys);
            self.find_or_add(&padded.collect::<Vec<_>>(), MAX_SERIES)
        }
    }

    fn find_or_add(&self, values: &[&str], most: usize) -> R {
        let mut all = self.series.borrow_mut();
        let found = all.binary_search_by(|series| series.values.iter().map(String::as_str).cmp(values.iter().copied()));
        match found {
            Ok(index) => all[index].recorded.clone(),
            Err(_) if all.len() >= most => {
                drop(all);
                self.find_or_add(&vec![OTHER; self.label_keys], usize::MAX)
            }
            Err(index) => {
                let values = values.iter().map(|&value| value.to_owned()).collect();
                let recorded = (self.new)();
                all.insert(index, Series { values, id: None, idle: Duration::ZERO, recorded: recorded.clone() });
                recorded
            }
        }
    }
}

/// What the registry does with an instrument when a flush is over.
pub(crate) trait Gather {
    /// Hands over what was recorded, and forgets series that had nothing for long.
    fn gather(&self, elapsed: Duration, to: &mut HandOver);
    /// True if someone may still record: a series that only the family knows can't be reached once its handle is gone.
    fn has_series_in_use(&self) -> bool;
}

impl<R: Recorded> Gather for Family<R> {
    fn gather(&self, elapsed: Duration, to: &mut HandOver) {
        let mut all = self.series.borrow_mut();
        let crowded = all.len() >= MAX_SERIES;
        all.retain_mut(|Series { values, id, idle, recorded }| {
            if recorded.hand_over(|| *id.get_or_insert_with(|| host::series_of(self.id, values)), to) {
                *idle = Duration::ZERO;
                return true;
            }
            *idle = idle.saturating_add(elapsed);
            if *idle < FORGET_AFTER && !crowded {
                return true;
            }
            *id = None;
            recorded.is_in_use()
        });
    }

    fn has_series_in_use(&self) -> bool {
        self.series.borrow().iter().any(|series| series.recorded.is_in_use())
    }
}
