//! Entry points for fuzzing: one function for each place that reads foreign bytes. Each takes any bytes and panics if a
//! promise is broken; it serves no RPC, and no promise holds for it.
//!
//! The targets in `fuzz/` hand libFuzzer's bytes to them. This crate's own tests replay the seeds and mutate them for a
//! moment, so that CI runs every target without a second build of the engine.

mod admin;
mod bytes;
mod frames;
mod guest;
mod module;
mod propagation;
mod recovery;
mod reload;
mod text;

pub use admin::admin_requests;
pub use frames::{connect_frames, grpc_frames};
pub use guest::guest_outputs;
pub use module::module_load;
pub use propagation::propagation;
pub use recovery::recovery;
pub use reload::reload_plan;
pub use text::{manifest, operator_config};

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also its program's in `fuzz/` and its seeds' folder.
pub const TARGETS: [(&str, Target); 10] = [
    ("admin_requests", admin_requests),
    ("connect_frames", connect_frames),
    ("grpc_frames", grpc_frames),
    ("guest_outputs", guest_outputs),
    ("manifest", manifest),
    ("module_load", module_load),
    ("operator_config", operator_config),
    ("propagation", propagation),
    ("recovery", recovery),
    ("reload_plan", reload_plan),
];

/// Panics if a text that an operator is shown could be taken for more than one line, or changes how others are read.
#[track_caller]
fn assert_one_line(text: &str) {
    let found = text.chars().find(|c| {
        let breaks = matches!(*c, '\u{2028}' | '\u{2029}');
        let turns =
            matches!(*c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && *c != '\t') || breaks || turns
    });
    assert!(found.is_none(), "{found:?} in {text:?}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use super::*;

    /// The time for which each target's seeds are mutated. CI has ten targets and two cores; libFuzzer is there for more.
    const MUTATING: Duration = Duration::from_millis(1_500);
    /// Bytes of a mutated input, as libFuzzer has them.
    const MOST: usize = 4_096;
    /// Bytes that have a meaning to some target.
    const LIKELY: &[u8] = b"\0\x01\x05\x7f\x80\xff\n\r\t\"'[]{}=:;,.%#/-+aA0 \x1b";

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
    }

    /// The seeds of a target, by their files' names.
    fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
        let folder = folder().join("seeds").join(target);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut seeds: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("readable").path();
                let bytes = fs::read(&path).expect("readable");
                // As text hardly any change of a byte leaves a module.
                (path.display().to_string(), module::binary(&bytes).unwrap_or(bytes))
            })
            .collect();
        // In one order everywhere, so that a failure comes again.
        seeds.sort();
        assert!(seeds.len() >= 4, "{target} has only {} seeds", seeds.len());
        seeds
    }

    /// Changes some bytes, as a fuzzer without coverage does.
    fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut fastrand::Rng) {
        for _ in 0..rng.usize(1..=4) {
            let at = if bytes.is_empty() { 0 } else { rng.usize(..bytes.len()) };
            let end = (at + rng.usize(..=16)).min(bytes.len());
            match rng.u8(..9) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.u8(..8),
                1 if !bytes.is_empty() => bytes[at] = LIKELY[rng.usize(..LIKELY.len())],
                2 if !bytes.is_empty() => bytes[at] = rng.u8(..),
                3 => drop(bytes.drain(at..end)),
                4 => bytes.insert(at, LIKELY[rng.usize(..LIKELY.len())]),
                5 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                6 => bytes.truncate(at),
                7 if !other.is_empty() => {
                    let from = rng.usize(..other.len());
                    let piece = &other[from..(from + rng.usize(..=64)).min(other.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                _ => {
                    for byte in bytes.iter_mut().skip(at).take(4) {
                        *byte = if rng.bool() { 0xff } else { 0 };
                    }
                }
            }
        }
        bytes.truncate(MOST);
    }

    /// Replays a target's seeds, and then mutates them for a moment.
    fn run(name: &str) {
        let (_, target) = TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
        let seeds = seeds(name);
        for (file, seed) in &seeds {
            println!("replaying {file}");
            target(seed);
        }
        let mut rng = fastrand::Rng::with_seed(14);
        let began = Instant::now();
        let mut runs = 0_u64;
        while began.elapsed() < MUTATING {
            let mut bytes = seeds[rng.usize(..seeds.len())].1.clone();
            let other = &seeds[rng.usize(..seeds.len())].1;
            mutate(&mut bytes, other, &mut rng);
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                println!("the input that failed, for fuzz/seeds/{name}: {}", bytes.escape_ascii());
                std::panic::resume_unwind(panic);
            }
            runs += 1;
        }
        println!("{name}: {} seeds, {runs} mutated inputs", seeds.len());
    }

    macro_rules! targets {
        ($($fact:ident: $target:ident,)*) => {$(
            #[test]
            fn $fact() {
                run(stringify!($target));
            }
        )*};
    }

    targets! {
        whatever_is_asked_of_the_admin_api_is_answered: admin_requests,
        whatever_a_connect_body_holds_the_cuts_do_not_matter: connect_frames,
        whatever_a_grpc_body_holds_the_cuts_do_not_matter: grpc_frames,
        whatever_a_guest_hands_over_the_pages_stay_whole: guest_outputs,
        whatever_a_manifest_says_the_answer_is_one_line: manifest,
        whatever_bytes_are_loaded_the_host_goes_on: module_load,
        whatever_the_configuration_says_the_answer_is_one_line: operator_config,
        whatever_headers_come_the_trace_goes_on: propagation,
        whatever_fails_every_row_is_committed_dead_or_left: recovery,
        whatever_the_directory_does_the_plan_leads_to_it: reload_plan,
    }

    #[test]
    fn every_target_is_a_program_with_seeds() {
        let expected: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("readable");
        for (name, target) in &TARGETS {
            let program = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).expect("readable");
            assert!(program.contains(&format!("hottap_plugins::fuzz::{name}(data)")), "{name}: {program}");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is in no [[bin]]");
            target(&[]);
        }
        let folders = fs::read_dir(folder().join("seeds")).expect("readable");
        let found: Vec<String> =
            folders.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect();
        assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn a_line_that_would_be_two_is_found() {
        assert_one_line("a\tb \u{e4} \u{1f600}");
        for bad in ["a\nb", "\u{1b}[31m", "a\u{2028}b", "\u{202e}b", "\u{2066}", "\u{85}"] {
            assert!(std::panic::catch_unwind(|| assert_one_line(bad)).is_err(), "{bad:?}");
        }
    }
}
