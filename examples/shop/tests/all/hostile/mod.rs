//! The hostile corpus: guests and files of many kinds, put one after the other into the plugin dir of the shop while it
//! serves its load. Whatever they do, no RPC fails, the tracer beside them loses nothing, the cause is named within a
//! second of being known, in one line, and the memory stays bounded.

mod asks;
mod bytes;
mod case;
mod code;
mod ground;
mod guest;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use case::Case;
use ground::Ground;

/// Every input, by kind.
fn corpus(good: &[u8]) -> Vec<Vec<Case>> {
    vec![
        code::traps(),
        code::spins(),
        code::memory(),
        asks::floods(),
        code::handles(),
        code::rows(),
        asks::starters(),
        asks::texts(),
        asks::metrics(),
        bytes::contracts(),
        bytes::proposals(),
        bytes::structures(),
        bytes::damaged(good),
        bytes::manifests(),
        bytes::files(),
    ]
}

#[test]
fn the_corpus_has_sixty_inputs_of_twelve_kinds() {
    let corpus = corpus(&guest::QUIET.module());
    let kinds: BTreeSet<&str> = corpus.iter().flatten().map(|case| case.kind).collect();
    let names: BTreeSet<&str> = corpus.iter().flatten().map(|case| case.name.as_str()).collect();
    assert!(kinds.len() >= 12 && names.len() >= 60, "{} kinds, {} inputs", kinds.len(), names.len());
    assert_eq!(names.len(), corpus.iter().flatten().count(), "each has a name of its own");
}

#[test]
fn whatever_lies_in_the_plugin_dir_no_rpc_fails_and_no_neighbour_loses_a_call() {
    let mut ground = Ground::open();
    let corpus = corpus(ground.neighbour());
    let mut failed = Vec::new();
    // One input that is not dealt with says nothing of the others: all of them are named at the end.
    let mut attempt = |name: &str, ground: &mut Ground, step: &dyn Fn(&mut Ground)| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(ground))) {
            failed.push(name.to_owned());
            ground.is_up(name, panic);
        }
    };
    for kind in &corpus {
        for case in kind {
            attempt(&case.name, &mut ground, &|ground| {
                ground.place(case);
                ground.judge(case);
            });
            ground.remove(case);
        }
        let name = kind.first().map_or("", |case| case.kind);
        attempt(&format!("the calm after {name}"), &mut ground, &|ground| ground.is_calm(name, kind));
    }
    assert!(failed.is_empty(), "{} inputs are not dealt with: {failed:#?}", failed.len());
    ground.close();
}
