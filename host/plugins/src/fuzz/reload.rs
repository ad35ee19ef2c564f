//! A plugin dir that changes while the plan is being carried out.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use crate::config::Stamp;
use crate::plugin::{Action, Found, Known, Name, plan};

const NAMES: [&str; 6] = ["a", "b", "c", "d.e", "f-g", "h_1"];

/// Whatever the directory does, the plan leads to what is there: once its actions are under way nothing is left to do,
/// nothing is loaded that is known already, and nothing is removed that is there.
pub fn reload_plan(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut known = Known::new();
    let mut there = BTreeMap::new();
    while !bytes.is_empty() {
        let (what, which, seed) = (bytes.byte(), bytes.byte(), bytes.byte());
        let Some(name) = Name::new(NAMES[usize::from(which) % NAMES.len()]) else { continue };
        match what % 5 {
            0 => _ = there.remove(&name),
            // As after a load that failed: the next look tries again.
            1 => _ = known.insert(name, None),
            2 => carry_out(&mut known, &there),
            _ => {
                let manifest = (what & 0x80 != 0).then(|| Stamp::made_up(seed.into()));
                _ = there.insert(name, Found { module: Stamp::made_up(u64::from(seed / 16)), manifest });
            }
        }
    }
    carry_out(&mut known, &there);
}

fn carry_out(known: &mut Known, there: &BTreeMap<Name, Found>) {
    for action in plan(known, there) {
        match action {
            Action::Load(name, found) => {
                assert_eq!(there.get(&name), Some(&found), "{name} is loaded as it is not");
                let before = known.insert(name.clone(), Some(found));
                assert_ne!(before, Some(Some(found)), "{name} is loaded twice");
            }
            Action::Remove(name) => {
                assert!(!there.contains_key(&name), "{name} is removed and is there");
                assert!(known.remove(&name).is_some(), "{name} is removed and was not known");
            }
        }
    }
    assert_eq!(plan(known, there), [], "nothing is left to do");
    let live: Vec<_> = known.iter().filter_map(|(name, found)| Some((name, found.as_ref()?))).collect();
    assert_eq!(live, there.iter().collect::<Vec<_>>());
}
