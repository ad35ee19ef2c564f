//! The calls that a plugin sees: sides, methods, outcomes, a share of the traces; and its level, by method. Pure.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};
use wildmatch::WildMatch;

use super::snapshot::SIDES;
use crate::rpc::{Level, Outcome, Side};

/// Patterns in one list of a scope.
const MAX_PATTERNS: usize = 256;
/// Bytes in one pattern.
const MAX_PATTERN_BYTES: usize = 512;

/// A scope that can't be.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ScopeError {
    /// More patterns than are allowed.
    #[error("it has {count} patterns, at most {MAX_PATTERNS} are allowed")]
    TooManyPatterns { key: &'static str, count: usize },
    /// A pattern that is too long.
    #[error("it has a pattern of {bytes} bytes, at most {MAX_PATTERN_BYTES} are allowed")]
    PatternTooLong { key: &'static str, bytes: usize },
    /// A share that is no share.
    #[error("it is {0}, write a number from 0.0 to 1.0")]
    Sample(f64),
}

impl ScopeError {
    /// The key of the manifest's `[scope]` that has the wrong value.
    pub fn key(&self) -> &'static str {
        match self {
            Self::TooManyPatterns { key, .. } | Self::PatternTooLong { key, .. } => key,
            Self::Sample(_) => "sample",
        }
    }
}

/// Which calls a plugin sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    sides: [bool; Side::COUNT],
    methods: Vec<WildMatch>,
    exclude: Vec<WildMatch>,
    /// The only methods whose events are recorded and shown, if there is such a list.
    detailed: Option<Vec<WildMatch>>,
    outcomes: [bool; Outcome::COUNT],
    /// A trace is in if the lower half of its id is below this.
    sample_below: u64,
}

impl Default for Scope {
    /// Every call on client and server; endpoints only where asked for.
    fn default() -> Self {
        Self {
            sides: [true, true, false],
            methods: Vec::new(),
            exclude: Vec::new(),
            detailed: None,
            outcomes: [true; Outcome::COUNT],
            sample_below: u64::MAX,
        }
    }
}

impl Scope {
    /// A scope from its parts; an absent part does not narrow. In patterns `*` is any text and `?` any character.
    pub fn new(
        sides: Option<&[Side]>,
        methods: &[String],
        exclude: &[String],
        outcomes: Option<&[Outcome]>,
        sample: f64,
    ) -> Result<Self, ScopeError> {
        let mut scope = Self::default();
        if let Some(sides) = sides {
            scope.sides = [Side::Client, Side::Server, Side::Endpoint].map(|side| sides.contains(&side));
        }
        if let Some(outcomes) = outcomes {
            scope.outcomes = std::array::from_fn(|i| outcomes.iter().any(|outcome| *outcome as usize == i));
        }
        check("methods", methods)?;
        check("exclude", exclude)?;
        if !(0.0..=1.0).contains(&sample) {
            return Err(ScopeError::Sample(sample));
        }
        (scope.methods, scope.exclude) = (globs(methods), globs(exclude));
        // At 1.0 the product is 2^64 and the cast saturates, so that every trace is in.
        scope.sample_below = (sample * 2f64.powi(64)) as u64;
        Ok(scope)
    }

    /// The same, with the events of these methods alone; those of all if there is no list.
    pub fn detailed(self, methods: Option<&[String]>) -> Result<Self, ScopeError> {
        check("detailed", methods.unwrap_or_default())?;
        Ok(Self { detailed: methods.map(globs), ..self })
    }

    /// How much is recorded of a method's calls, and shown, where `most` was asked for.
    pub fn level(&self, most: Level, method: &str) -> Level {
        match &self.detailed {
            Some(detailed) if !detailed.iter().any(|pattern| pattern.matches(method)) => Level::Base,
            _ => most,
        }
    }

    /// Of each method as much as of any other.
    pub(crate) fn is_level(&self) -> bool {
        self.detailed.is_none()
    }

    /// What is known before the call ends: its side and its method.
    pub fn wants(&self, side: Side, method: &str) -> bool {
        self.wants_side(side)
            && (self.methods.is_empty() || self.methods.iter().any(|pattern| pattern.matches(method)))
            && !self.exclude.iter().any(|pattern| pattern.matches(method))
    }

    pub(crate) fn wants_side(&self, side: Side) -> bool {
        self.sides.get(side as usize).copied().unwrap_or(false)
    }

    /// The outcome by its number.
    pub fn wants_outcome(&self, outcome: usize) -> bool {
        self.outcomes.get(outcome).copied().unwrap_or(true)
    }

    pub fn samples(&self) -> bool {
        self.sample_below != u64::MAX
    }

    /// A trace is in or out as a whole, on every service with the same share: the decision is made of its id alone.
    pub(crate) fn wants_trace(&self, trace_id: u128) -> bool {
        !self.samples() || (trace_id as u64) < self.sample_below
    }

    /// Patterns that match no method of `seen`, which has each with the sides on which it was seen: by the key that they
    /// stand under. What is excluded, or has events, may have been seen on any side.
    pub fn matched_nothing(&self, seen: &[(&str, [bool; Side::COUNT])]) -> Vec<(&'static str, String)> {
        let in_scope = |sides: &[bool; Side::COUNT]| sides.iter().zip(self.sides).any(|(seen, wanted)| *seen && wanted);
        let lists = [
            ("methods", &*self.methods, true),
            ("exclude", &*self.exclude, false),
            ("detailed", self.detailed.as_deref().unwrap_or_default(), false),
        ];
        let unmatched = lists.into_iter().flat_map(|(key, patterns, by_side)| {
            let matches = move |pattern: &&WildMatch| {
                seen.iter().any(|(method, sides)| (!by_side || in_scope(sides)) && pattern.matches(method))
            };
            patterns.iter().filter(move |pattern| !matches(pattern)).map(move |pattern| (key, pattern.to_string()))
        });
        unmatched.collect()
    }
}

/// The scope as a manifest says it, with every key.
impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |patterns: &[WildMatch]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let sides: Vec<&str> = SIDES.into_iter().filter(|side| self.wants_side(*side)).map(Side::as_str).collect();
        let outcomes: Vec<&str> = (0..Outcome::COUNT)
            .filter(|outcome| self.wants_outcome(*outcome))
            .filter_map(|outcome| Outcome::from_number(outcome as u8))
            .map(Outcome::as_str)
            .collect();
        let mut scope = serializer.serialize_struct("Scope", 6)?;
        scope.serialize_field("sides", &sides)?;
        scope.serialize_field("methods", &text(&self.methods))?;
        scope.serialize_field("exclude", &text(&self.exclude))?;
        scope.serialize_field("outcomes", &outcomes)?;
        // The product was exact, so this is the number that the manifest has.
        scope.serialize_field("sample", &(self.sample_below as f64 / 2f64.powi(64)))?;
        scope.serialize_field("detailed", &self.detailed.as_deref().map(text))?;
        scope.end()
    }
}

fn globs(patterns: &[String]) -> Vec<WildMatch> {
    patterns.iter().map(|pattern| WildMatch::new(pattern)).collect()
}

fn check(key: &'static str, patterns: &[String]) -> Result<(), ScopeError> {
    let count = patterns.len();
    if count > MAX_PATTERNS {
        return Err(ScopeError::TooManyPatterns { key, count });
    }
    match patterns.iter().map(String::len).find(|bytes| *bytes > MAX_PATTERN_BYTES) {
        Some(bytes) => Err(ScopeError::PatternTooLong { key, bytes }),
        None => Ok(()),
    }
}

/// What a plugin sees of calls that are in its scope.
#[derive(Clone, Debug)]
pub struct Shown {
    most: Level,
    /// Says for which methods it is that; none if for all.
    by_method: Option<Arc<Scope>>,
}

impl Shown {
    /// The level that a plugin asked for and may have, where its scope lets it.
    pub fn new(most: Level, scope: &Arc<Scope>) -> Self {
        Self { most, by_method: (most > Level::Base && !scope.is_level()).then(|| scope.clone()) }
    }

    /// The same of all methods.
    pub fn of_all(most: Level) -> Self {
        Self { most, by_method: None }
    }

    /// Of one method, whose name is asked for only if it matters.
    #[inline]
    pub(crate) fn level<'a>(&self, method: impl FnOnce() -> &'a str) -> Level {
        self.by_method.as_ref().map_or(self.most, |scope| scope.level(self.most, method()))
    }

    /// The one level, if it is the same for all methods.
    pub(crate) fn uniform(&self) -> Option<Level> {
        self.by_method.is_none().then_some(self.most)
    }

    /// The greatest level.
    pub(crate) fn most(&self) -> Level {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_wanted(methods: &[&str], exclude: &[&str], method: &str, expected: bool, reason: &str) {
        let own = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let scope = Scope::new(None, &own(methods), &own(exclude), None, 1.0).expect("valid");
        assert_eq!(scope.wants(Side::Server, method), expected, "{reason}");
    }

    #[test]
    fn methods_are_chosen_by_globs() {
        is_wanted(&[], &[], "a.B/C", true, "no pattern narrows nothing");
        is_wanted(&["a.*/*"], &[], "a.B/C", true, "star");
        is_wanted(&["a.*/*"], &[], "b.B/C", false, "another package");
        is_wanted(&["a.B/C"], &[], "a.B/C", true, "exact");
        is_wanted(&["a.B/C"], &[], "a.B/CD", false, "exact is whole");
        is_wanted(&[], &["grpc.health.*"], "grpc.health.v1.Health/Check", false, "excluded");
        is_wanted(&["a.*"], &["a.B/*"], "a.B/C", false, "exclude wins");
    }

    #[test]
    fn endpoints_are_not_in_the_default_scope() {
        let scope = Scope::default();
        assert!(scope.wants(Side::Client, "m") && scope.wants(Side::Server, "m") && !scope.wants(Side::Endpoint, "m"));
    }

    #[test]
    fn a_share_of_the_traces_is_a_share() {
        let scope = Scope::new(None, &[], &[], None, 0.1).expect("valid");
        let mut rng = fastrand::Rng::with_seed(7);
        let wanted = (0..100_000).filter(|_| scope.wants_trace(rng.u128(..))).count();
        assert!((9_000..11_000).contains(&wanted), "{wanted}");
        let none = Scope::new(None, &[], &[], None, 0.0).expect("valid");
        assert!(!none.wants_trace(0));
        let all = Scope::new(None, &[], &[], None, 1.0).expect("valid");
        assert!(all.wants_trace(u128::MAX));
    }

    #[test]
    fn a_level_goes_by_the_method_where_there_is_a_list() {
        let scope = |methods: Option<&[String]>| Scope::default().detailed(methods).expect("valid");
        let cart = ["shop.v1.Cart/*".to_owned()];
        for (methods, most, method, expected, reason) in [
            (None, Level::Detailed, "a.B/C", Level::Detailed, "no list narrows nothing"),
            (Some(&cart[..]), Level::Detailed, "shop.v1.Cart/Add", Level::Detailed, "in the list"),
            (Some(&cart[..]), Level::Detailed, "shop.v1.Card/Add", Level::Base, "not in the list"),
            (Some(&cart[..]), Level::Base, "shop.v1.Cart/Add", Level::Base, "a list asks for nothing"),
            (Some(&[]), Level::Detailed, "a.B/C", Level::Base, "an empty list has no method"),
        ] {
            assert_eq!(scope(methods).level(most, method), expected, "{reason}");
        }
    }

    #[test]
    fn a_scope_that_cannot_be_is_refused() {
        assert_eq!(Scope::new(None, &[], &[], None, 1.5), Err(ScopeError::Sample(1.5)));
        assert!(Scope::new(None, &[], &[], None, f64::NAN).is_err());
        let many = vec![String::new(); 257];
        let too_many = |key| Err(ScopeError::TooManyPatterns { key, count: 257 });
        assert_eq!(Scope::new(None, &many, &[], None, 1.0), too_many("methods"));
        assert_eq!(Scope::new(None, &[], &many, None, 1.0), too_many("exclude"));
        assert_eq!(Scope::default().detailed(Some(&many)), too_many("detailed"));
        let too_long = Scope::default().detailed(Some(&["x".repeat(513)]));
        assert_eq!(too_long, Err(ScopeError::PatternTooLong { key: "detailed", bytes: 513 }));
    }

    #[test]
    fn a_pattern_that_has_matched_nothing_is_named_by_its_key() {
        let own = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let scope = Scope::new(Some(&[Side::Server]), &own(&["a.B/*", "a.Typo/*", "c.D/E"]), &own(&["x.*"]), None, 1.0)
            .and_then(|scope| scope.detailed(Some(&own(&["a.B/C", "a.B/Typo"]))))
            .expect("valid");
        let [client, server] = [[true, false, false], [false, true, false]];
        let [methods, exclude, detailed] = ["methods", "exclude", "detailed"];
        let all = [
            (methods, "a.B/*"),
            (methods, "a.Typo/*"),
            (methods, "c.D/E"),
            (exclude, "x.*"),
            (detailed, "a.B/C"),
            (detailed, "a.B/Typo"),
        ];
        let typos = [(methods, "a.Typo/*"), (methods, "c.D/E"), (detailed, "a.B/Typo")];
        for (seen, expected, reason) in [
            (&[][..], &all[..], "no call was seen"),
            (&[("a.B/C", server), ("x.Y/Z", client), ("c.D/E", client)], &typos, "c.D/E was seen on the other side"),
        ] {
            let named = scope.matched_nothing(seen);
            let named: Vec<_> = named.iter().map(|(key, pattern)| (*key, pattern.as_str())).collect();
            assert_eq!(named, expected, "{reason}");
        }
    }

    #[test]
    fn a_scope_is_shown_as_a_manifest_says_it() {
        let methods = ["a.*".to_owned()];
        let scope = Scope::new(Some(&[Side::Server]), &methods, &[], Some(&[Outcome::Error]), 0.1).expect("valid");
        let shown = serde_json::to_value(&scope).expect("JSON");
        let expected = serde_json::json!({
            "sides": ["server"], "methods": ["a.*"], "exclude": [], "outcomes": ["error"], "sample": 0.1, "detailed": null,
        });
        assert_eq!(shown, expected);
        let default = serde_json::to_value(Scope::default()).expect("JSON");
        assert_eq!((&default["sides"], &default["sample"]), (&serde_json::json!(["client", "server"]), &1.0.into()));
    }
}
