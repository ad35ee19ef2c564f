//! From what is known and what is there to what is to be done. Pure.

use std::collections::BTreeMap;

use super::name::Name;
use super::scan::Found;

/// What is to be done for one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its files are new or have changed: load them, and swap if they are good.
    Load(Name, Found),
    /// Its module is gone.
    Remove(Name),
}

/// What the supervisor knows: for each name, the state of the files that it last acted on; none if it is to look again.
pub type Known = BTreeMap<Name, Option<Found>>;

/// Compares one look at the directory with what is known.
pub fn plan(known: &Known, found: &BTreeMap<Name, Found>) -> Vec<Action> {
    let gone = known.keys().filter(|name| !found.contains_key(name)).cloned().map(Action::Remove);
    let new = found
        .iter()
        .filter(|(name, found)| known.get(name).is_none_or(|acted| acted.as_ref() != Some(found)))
        .map(|(name, found)| Action::Load(name.clone(), *found));
    // Those that go make room for those that come.
    gone.chain(new).collect()
}

/// What is known once the actions are under way.
#[cfg(test)]
fn apply(known: &mut Known, actions: &[Action]) {
    for action in actions {
        match action {
            Action::Load(name, found) => known.insert(name.clone(), Some(*found)),
            Action::Remove(name) => known.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Stamp;

    fn stamp(seed: u8) -> Stamp {
        Stamp::made_up(u64::from(seed))
    }

    fn name(name: &str) -> Name {
        Name::new(name).expect("valid")
    }

    fn found(module: u8, manifest: Option<u8>) -> Found {
        Found { module: stamp(module), manifest: manifest.map(stamp) }
    }

    #[test]
    fn changes_follow_from_the_files() {
        let known = Known::from([
            (name("same"), Some(found(0, None))),
            (name("changed"), Some(found(0, None))),
            (name("manifest"), Some(found(0, None))),
            (name("again"), None),
            (name("gone"), Some(found(0, None))),
        ]);
        let there = BTreeMap::from([
            (name("same"), found(0, None)),
            (name("changed"), found(1, None)),
            (name("manifest"), found(0, Some(1))),
            (name("again"), found(0, None)),
            (name("new"), found(0, None)),
        ]);
        assert_eq!(
            plan(&known, &there),
            [
                Action::Remove(name("gone")),
                Action::Load(name("again"), found(0, None)),
                Action::Load(name("changed"), found(1, None)),
                Action::Load(name("manifest"), found(0, Some(1))),
                Action::Load(name("new"), found(0, None)),
            ]
        );
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..500 {
            let names = ["a", "b", "c", "d", "e"];
            let mut known = Known::new();
            let mut there = BTreeMap::new();
            for n in names {
                if rng.bool() {
                    known.insert(name(n), rng.bool().then(|| found(rng.u8(..), rng.bool().then(|| rng.u8(..)))));
                }
                if rng.bool() {
                    there.insert(name(n), found(rng.u8(..), rng.bool().then(|| rng.u8(..))));
                }
            }
            let actions = plan(&known, &there);
            apply(&mut known, &actions);
            assert_eq!(plan(&known, &there), []);
        }
    }
}
