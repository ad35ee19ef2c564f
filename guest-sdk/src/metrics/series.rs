//! The series of one instrument: one set of label values each, with what was recorded since the last flush.

use std::cell::{Cell, RefCell};
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

/// What a series keeps between flushes.
pub(crate) trait Recorded: 'static {
    /// Takes what was recorded since the last time, and leaves nothing behind; false if that is nothing. `series` gives
    /// the host's id for it.
    fn hand_over(&self, series: impl FnOnce() -> u32, to: &mut HandOver) -> bool;
}

/// One set of label values.
pub(crate) struct Series<R> {
    values: Vec<String>,
    /// The host's id, once something was handed over.
    id: Cell<Option<u32>>,
    /// How long there was nothing to hand over.
    idle: Cell<Duration>,
    pub(crate) recorded: R,
}

/// An instrument and its series.
pub(crate) struct Family<R> {
    name: String,
    label_keys: usize,
    /// The host's id of the instrument.
    id: u32,
    /// Sorted by their values.
    series: RefCell<Vec<Rc<Series<R>>>>,
    new: Box<dyn Fn() -> R>,
}

impl<R: Recorded> Family<R> {
    pub(crate) fn new(name: String, label_keys: usize, id: u32, new: impl Fn() -> R + 'static) -> Rc<Self> {
        let family = Rc::new(Self { name, label_keys, id, series: RefCell::default(), new: Box::new(new) });
        super::registry::add(family.clone());
        family
    }

    /// The series with these label values; see `MAX_SERIES`.
    pub(crate) fn with(&self, values: &[&str]) -> Rc<Series<R>> {
        debug_assert_eq!(values.len(), self.label_keys, "{}: one value for each label key", self.name);
        if values.len() == self.label_keys {
            self.find_or_add(values, MAX_SERIES)
        } else {
            // The host wants exactly one value for each key.
            let padded = values.iter().copied().chain(std::iter::repeat("")).take(self.label_keys);
            self.find_or_add(&padded.collect::<Vec<_>>(), MAX_SERIES)
        }
    }

    fn find_or_add(&self, values: &[&str], most: usize) -> Rc<Series<R>> {
        let mut all = self.series.borrow_mut();
        let found = all.binary_search_by(|series| series.values.iter().map(String::as_str).cmp(values.iter().copied()));
        match found {
            Ok(index) => all[index].clone(),
            Err(_) if all.len() >= most => {
                drop(all);
                self.find_or_add(&vec![OTHER; self.label_keys], usize::MAX)
            }
            Err(index) => {
                let values = values.iter().map(|&value| value.to_owned()).collect();
                let (id, idle) = (Cell::new(None), Cell::new(Duration::ZERO));
                let series = Rc::new(Series { values, id, idle, recorded: (self.new)() });
                all.insert(index, series.clone());
                series
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
        all.retain(|series| {
            let id = || match series.id.get() {
                Some(id) => id,
                None => {
                    let id = host::series_of(self.id, &series.values);
                    series.id.set(Some(id));
                    id
                }
            };
            if series.recorded.hand_over(id, to) {
                series.idle.set(Duration::ZERO);
                return true;
            }
            series.idle.set(series.idle.get().saturating_add(elapsed));
            let forget = crowded || series.idle.get() >= FORGET_AFTER;
            if forget {
                series.id.set(None);
            }
            !forget || Rc::strong_count(series) > 1
        });
    }

    fn has_series_in_use(&self) -> bool {
        self.series.borrow().iter().any(|series| Rc::strong_count(series) > 1)
    }
}
