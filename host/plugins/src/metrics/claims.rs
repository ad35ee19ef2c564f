//! Which tracer has which names of metrics: the first one keeps them.
//!
//! A definition claims its own name and the names that it has on Prometheus' page, for as long as an instance has it
//! defined or committed series are of it. So a tracer keeps its names across its swaps and traps, and, once it is removed,
//! until its series are forgotten. Others may share a family if kind and name on the page are the same.

use hottap_core::lock::lock;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::HashMap;

use super::instrument::{Definition, Kind};
use super::names;

/// All names that are claimed.
#[derive(Default)]
pub(super) struct Claims(Mutex<Index>);

#[derive(Default)]
struct Index {
    next: u64,
    holders: HashMap<Box<str>, Vec<Holder>, foldhash::fast::RandomState>,
}

/// One claim of a name.
struct Holder {
    id: u64,
    family: Arc<Family>,
}

/// A family of metrics as one tracer has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) tracer: Arc<str>,
    /// The metric's own name.
    pub(super) metric: Box<str>,
    pub(super) kind: Kind,
    /// The name on Prometheus' page.
    pub(super) page: Box<str>,
}

impl Claims {
    /// Claims the names of a definition for a tracer; dropping the claim gives them back.
    ///
    /// # Errors
    /// Another tracer has one of them for something else. One tracer's definitions replace each other instead.
    pub(super) fn claim(self: &Arc<Self>, tracer: &Arc<str>, of: &Definition) -> Result<Claim, Arc<Family>> {
        let page = names::on_page(&of.page, of.kind).map(String::into_boxed_str);
        // No name on a page has a space in it.
        let names: Box<[Box<str>]> = page.chain([format!(" {}", of.name).into_boxed_str()]).collect();
        let mut index = self.lock();
        for name in &names {
            let others = index.holders.get(name).into_iter().flatten().map(|holder| &holder.family);
            let agrees = |family: &Family| family.kind == of.kind && family.page == of.page;
            if let Some(family) = others.into_iter().find(|family| family.tracer != *tracer && !agrees(family)) {
                return Err(Arc::clone(family));
            }
        }
        let id = index.next;
        index.next += 1;
        let family =
            Family { tracer: Arc::clone(tracer), metric: of.name.clone(), kind: of.kind, page: of.page.clone() };
        let family = Arc::new(family);
        for name in &names {
            index.holders.entry(name.clone()).or_default().push(Holder { id, family: Arc::clone(&family) });
        }
        Ok(Claim { claims: Arc::clone(self), id, names })
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        lock(&self.0)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("names", &self.lock().holders.len()).finish()
    }
}

/// Names that one definition has claimed.
pub(super) struct Claim {
    claims: Arc<Claims>,
    id: u64,
    names: Box<[Box<str>]>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut index = self.claims.lock();
        for name in &self.names {
            if let Some(holders) = index.holders.get_mut(name) {
                holders.retain(|holder| holder.id != self.id);
                if holders.is_empty() {
                    index.holders.remove(name);
                }
            }
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, unit: &str, kind: Kind) -> Definition {
        Definition::new(kind, name, unit, "", &[""; 0], &[]).expect("a definition")
    }

    #[track_caller]
    fn check(first: (&str, &str, Kind), second: (&str, &str, Kind), fits: bool, reason: &str) {
        let [first, second] = [first, second].map(|(name, unit, kind)| definition(name, unit, kind));
        for [one, other] in [[&first, &second], [&second, &first]] {
            let claims = Arc::<Claims>::default();
            let held = claims.claim(&"a".into(), one).expect("nobody has it");
            let got = claims.claim(&"b".into(), other).map(drop).map_err(|family| family.tracer.to_string());
            assert_eq!(got, if fits { Ok(()) } else { Err("a".to_owned()) }, "{reason}");
            assert!(claims.claim(&"a".into(), other).is_ok(), "{reason}: a tracer replaces its own");
            drop(held);
            assert!(claims.lock().holders.is_empty(), "{reason}: nothing is left");
            assert!(claims.claim(&"b".into(), other).is_ok(), "{reason}: it is free again");
        }
    }

    #[test]
    fn names_are_shared_only_by_metrics_that_agree() {
        use Kind::{Counter, Gauge, Histogram};
        for (first, second, fits, reason) in [
            (("x", "", Gauge), ("x", "", Gauge), true, "the same"),
            (("x", "", Gauge), ("y", "", Gauge), true, "others"),
            (("x.y", "", Gauge), ("x_y", "", Gauge), true, "one family under two names"),
            (("x", "", Gauge), ("x", "{call}", Gauge), true, "an annotation is no unit"),
            (("x", "s", Gauge), ("x", "ms", Gauge), false, "one name in two units"),
            (("x", "", Gauge), ("x", "", Counter), false, "one name of two kinds, which the page would have twice"),
            (("x", "", Gauge), ("x", "", Histogram), false, "two kinds"),
            (("x.total", "", Gauge), ("x", "", Counter), false, "one name on the page"),
            (("x.seconds", "", Gauge), ("x", "s", Histogram), false, "one name on the page, by the unit"),
            (("x.bucket", "", Gauge), ("x", "", Histogram), false, "a histogram's lines"),
            (("x.sum", "", Gauge), ("x", "", Histogram), false, "a histogram's lines"),
            (("x.count", "", Histogram), ("x", "", Histogram), false, "a histogram's lines, of another one"),
            (("x.max", "", Gauge), ("x", "", Histogram), true, "no line of a histogram"),
        ] {
            check(first, second, fits, reason);
        }
    }

    #[test]
    fn a_shared_name_is_held_until_the_last_one_lets_go() {
        let claims = Arc::<Claims>::default();
        let (gauge, counter) = (definition("x", "", Kind::Gauge), definition("x", "", Kind::Counter));
        let (one, two) = (claims.claim(&"a".into(), &gauge), claims.claim(&"b".into(), &gauge));
        drop(one);
        assert!(claims.claim(&"c".into(), &counter).is_err(), "b has it still");
        assert!(claims.claim(&"b".into(), &counter).is_ok(), "b alone may change it");
        drop(two);
        assert!(claims.claim(&"c".into(), &counter).is_ok());
    }
}
