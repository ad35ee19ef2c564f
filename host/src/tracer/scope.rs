//! Which calls a plugin sees: sides, methods, outcomes, a share of the traces. Pure.

#![cfg_attr(all(not(feature = "plugins"), not(test)), expect(dead_code, reason = "only plugins have scopes"))]

use wildmatch::WildMatch;

use crate::rpc::{Level, Outcome, Side};

/// Patterns in one scope.
const MAX_PATTERNS: usize = 256;
/// Bytes in one pattern.
const MAX_PATTERN_BYTES: usize = 512;

/// A scope that can't be.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum ScopeError {
    /// More patterns than are allowed.
    #[error("has {0} patterns, at most {MAX_PATTERNS} are allowed")]
    TooManyPatterns(usize),
    /// A pattern that is too long.
    #[error("has a pattern of {0} bytes, at most {MAX_PATTERN_BYTES} are allowed")]
    PatternTooLong(usize),
    /// A share that is no share.
    #[error("sample is {0}, it must be a number from 0.0 to 1.0")]
    Sample(f64),
}

/// Which calls a plugin sees.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scope {
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
    pub(crate) fn new(
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
        check(methods.iter().chain(exclude))?;
        if !(0.0..=1.0).contains(&sample) {
            return Err(ScopeError::Sample(sample));
        }
        (scope.methods, scope.exclude) = (globs(methods), globs(exclude));
        // At 1.0 the product is 2^64 and the cast saturates, so that every trace is in.
        scope.sample_below = (sample * 2f64.powi(64)) as u64;
        Ok(scope)
    }

    /// The same, with the events of these methods alone; those of all if there is no list.
    pub(crate) fn detailed(self, methods: Option<&[String]>) -> Result<Self, ScopeError> {
        check(methods.iter().copied().flatten())?;
        Ok(Self { detailed: methods.map(globs), ..self })
    }

    /// How much is recorded of a method's calls, and shown, where `most` was asked for.
    pub(crate) fn level(&self, most: Level, method: &str) -> Level {
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
    pub(crate) fn wants(&self, side: Side, method: &str) -> bool {
        self.wants_side(side)
            && (self.methods.is_empty() || self.methods.iter().any(|pattern| pattern.matches(method)))
            && !self.exclude.iter().any(|pattern| pattern.matches(method))
    }

    pub(crate) fn wants_side(&self, side: Side) -> bool {
        self.sides.get(side as usize).copied().unwrap_or(false)
    }

    /// The outcome by its number.
    pub(crate) fn wants_outcome(&self, outcome: usize) -> bool {
        self.outcomes.get(outcome).copied().unwrap_or(true)
    }

    pub(crate) fn samples(&self) -> bool {
        self.sample_below != u64::MAX
    }

    /// A trace is in or out as a whole, on every service with the same share: the decision is made of its id alone.
    pub(crate) fn wants_trace(&self, trace_id: u128) -> bool {
        !self.samples() || (trace_id as u64) < self.sample_below
    }
}

fn globs(patterns: &[String]) -> Vec<WildMatch> {
    patterns.iter().map(|pattern| WildMatch::new(pattern)).collect()
}

fn check<'a>(patterns: impl Iterator<Item = &'a String>) -> Result<(), ScopeError> {
    let mut count = 0;
    for pattern in patterns {
        count += 1;
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(ScopeError::PatternTooLong(pattern.len()));
        }
    }
    if count > MAX_PATTERNS { Err(ScopeError::TooManyPatterns(count)) } else { Ok(()) }
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
        assert_eq!(Scope::new(None, &many, &[], None, 1.0), Err(ScopeError::TooManyPatterns(257)));
        assert_eq!(Scope::default().detailed(Some(&many)), Err(ScopeError::TooManyPatterns(257)));
        assert!(Scope::default().detailed(Some(&["x".repeat(513)])).is_err());
    }
}
