//! Which names a new tracer can have: cargo's rules and the plugin dir's, both at once. Pure.

use anyhow::bail;

use hottap_plugins::plugin::{MAX_NAME_BYTES, Name};

/// Words of the language up to edition 2024, which no crate can have as a name; and the crates of the language itself,
/// with which one of the same name would be mixed up.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];
/// What every tracer's project depends on.
const DEPENDENCIES: &[&str] = &["hottap_guest", "serde"];

/// The name of a new tracer, in the forms that its project has it in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TracerName {
    /// Of the folder, the package and the module: `slow-calls`.
    pub(super) package: String,
    /// Of the crate, and what its metrics begin with: `slow_calls`.
    pub(super) krate: String,
    /// What the types' names begin with: `SlowCalls`.
    pub(super) stem: String,
}

impl TracerName {
    /// Takes a name, or says what is wrong with it.
    ///
    /// # Errors
    /// It is no name for a package, or none for a plugin.
    pub(super) fn new(name: &str) -> anyhow::Result<Self> {
        let krate = name.replace('-', "_");
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(valid) {
            bail!(
                "{name:?} is no name for a tracer: it is the name of a package too, so take a letter first, and then \
                 letters, digits, - and _, such as slow-calls"
            );
        }
        if Name::new(name).is_none() {
            bail!("{name:?} is too long: the name of a plugin has at most {MAX_NAME_BYTES} characters");
        }
        if TAKEN.contains(&krate.as_str()) {
            bail!("{name:?} means something else in Rust; take another name, such as {name}-tracer");
        }
        if DEPENDENCIES.contains(&krate.as_str()) {
            bail!("{name:?} is the name of a crate that every tracer uses; take another name");
        }
        let words = krate.split('_').filter(|word| !word.is_empty());
        let stem: String = words.map(capitalized).collect();
        // So that the types are FirstTracer and FirstStarter, not FirstTracerTracer.
        let stem = stem.strip_suffix("Tracer").unwrap_or(&stem);
        // `Tracer` and `Starter` are the traits that the types implement.
        let stem = if stem.is_empty() { "My" } else { stem };
        Ok(Self { package: name.to_owned(), stem: stem.to_owned(), krate })
    }

    /// A template with this name in the place of the made-up one.
    pub(super) fn fill(&self, template: &str) -> String {
        template
            .replace("MyTracer", &format!("{}Tracer", self.stem))
            .replace("MyStarter", &format!("{}Starter", self.stem))
            .replace("my-tracer", &self.package)
            .replace("my_tracer", &self.krate)
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, because: &str) {
        match TracerName::new(name) {
            Ok(name) => panic!("{name:?} was taken"),
            Err(error) => assert!(error.to_string().contains(because), "{name:?}: {error}"),
        }
    }

    #[test]
    fn a_name_has_the_forms_that_a_project_needs() {
        for (name, krate, stem) in [
            ("slow-calls", "slow_calls", "SlowCalls"),
            ("first-tracer", "first_tracer", "First"),
            ("tracer", "tracer", "My"),
            ("x", "x", "X"),
            ("a1_b-", "a1_b_", "A1B"),
            ("Loud", "Loud", "Loud"),
        ] {
            let name = TracerName::new(name).expect("a name");
            assert_eq!((name.krate.as_str(), name.stem.as_str()), (krate, stem));
        }
    }

    #[test]
    fn what_cargo_or_the_plugin_dir_would_not_take_is_refused() {
        refused("", "letter first");
        refused("../up", "letter first");
        refused("a/b", "letters, digits");
        refused("a.b", "letters, digits");
        refused("9lives", "letter first");
        refused("-x", "letter first");
        refused("größe", "letters, digits");
        refused("two words", "letters, digits");
        refused(&"x".repeat(65), "at most 64");
        refused("match", "such as match-tracer");
        refused("proc-macro", "means something else");
        refused("test", "means something else");
        refused("hottap-guest", "every tracer uses");
        refused("serde", "every tracer uses");
    }

    #[test]
    fn a_template_is_filled_in_every_form() {
        let name = TracerName::new("slow-calls").expect("a name");
        assert_eq!(
            name.fill("MyTracer MyStarter my-tracer.toml my_tracer.calls"),
            "SlowCallsTracer SlowCallsStarter slow-calls.toml slow_calls.calls"
        );
    }
}
