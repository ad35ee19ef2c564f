//! Which events of which calls a plugin sees: its level, by method.

#![cfg_attr(
    all(not(feature = "plugins"), not(test)),
    expect(dead_code, reason = "only plugins have levels of their own")
)]

use std::sync::Arc;

use super::scope::Scope;
use crate::rpc::Level;

/// What a plugin sees of calls that are in its scope.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    most: Level,
    /// Says for which methods it is that; none if for all.
    by_method: Option<Arc<Scope>>,
}

impl Shown {
    /// The level that a plugin asked for and may have, where its scope lets it.
    pub(crate) fn new(most: Level, scope: &Arc<Scope>) -> Self {
        Self { most, by_method: (most > Level::Base && !scope.is_level()).then(|| scope.clone()) }
    }

    /// The same of all methods.
    pub(crate) fn of_all(most: Level) -> Self {
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
