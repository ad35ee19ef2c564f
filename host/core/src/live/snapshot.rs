//! The live set as the RPC's thread reads it: an immutable snapshot, replaced as a whole.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderMap;

use super::mask::Mask;
use super::scope::{Scope, Shown};
use crate::rpc::{Clock, Level, Outcome, RpcInfo, Side, Symbol};

/// The flag that somebody acts at the start of calls.
pub(super) const STARTS: u8 = 1 << 7;
/// The flag of the kill switch.
pub(super) const DISABLED: u8 = 1 << 6;
/// The flag that somebody follows open streams.
pub(super) const FOLLOWED: u8 = 1 << 5;
/// The flag that a plugin wants attempts.
pub(super) const ATTEMPTS: u8 = 1 << 4;

/// What a plugin does before the request leaves (client) or the handler runs (server). Called on the RPC's own thread,
/// after the native tracers: it must not block, and it bounds its own time.
pub trait Start: Send + Sync + fmt::Debug {
    /// The plugin's name, by which those who act at the start of one call are ordered.
    fn name(&self) -> &str;

    /// The token that is handed to the plugin with the finished call; none if it was not asked or failed.
    ///
    /// `headers` are the request's. `budget` is the time in nanoseconds that all plugins together have left for this
    /// call.
    fn start(&self, call: &RpcInfo, headers: &mut HeaderMap, budget: u64) -> Option<u64>;
}

/// Nanoseconds that all plugins together may use at the start of one call. What a client waits for its request to leave
/// is latency; a plugin that needs more belongs into finish.
pub const BUDGET: u64 = 1_000_000;

/// What one plugin asked for.
#[derive(Clone, Debug)]
pub struct Rule {
    pub slot: usize,
    pub scope: Arc<Scope>,
    pub shown: Shown,
    /// It wants the messages of open streams.
    pub streams: bool,
    /// It wants attempts beside calls.
    pub attempts: bool,
    /// What it does at the start of calls, if it does anything.
    pub start: Option<Arc<dyn Start>>,
}

impl Rule {
    fn name(&self) -> Option<&str> {
        self.start.as_ref().map(|start| start.name())
    }
}

/// What all live plugins asked for.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub plugins: Vec<Rule>,
    /// The most that native tracers want, if there are any.
    pub native: Option<Level>,
    /// Nothing is traced, for good: by `HOTTAP_DISABLE`, or after a shutdown.
    pub disabled: bool,
    /// The kill switch of the admin API: nothing is traced until operators end that.
    pub paused: bool,
}

/// Who wants the calls of one method on one side, as far as that is known before they end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    pub(crate) mask: Mask,
    /// Those of them that want its messages while it is open.
    pub(crate) streams: Mask,
    /// The greatest level that was asked for; none if nobody wants the call.
    pub(crate) level: Option<Level>,
}

impl Rules {
    /// Nothing is traced, whatever the tracers want.
    fn is_off(&self) -> bool {
        self.disabled || self.paused
    }

    /// `wants` is the level that a plugin has for such calls, if they are in its scope.
    fn interest(&self, native: Option<Level>, wants: impl Fn(&Rule) -> Option<Level>) -> Interest {
        let mut interest = Interest { mask: Mask::NONE, streams: Mask::NONE, level: native };
        if self.is_off() {
            return Interest { level: None, ..interest };
        }
        for (rule, level) in self.plugins.iter().filter_map(|rule| Some((rule, wants(rule)?))) {
            interest.mask = interest.mask.or(Mask::one(rule.slot));
            if rule.streams {
                interest.streams = interest.streams.or(Mask::one(rule.slot));
            }
            interest.level = interest.level.max(Some(level));
        }
        interest
    }

    fn in_method(&self, native: Option<Level>, side: Side, method: &str) -> Interest {
        let level = |rule: &Rule| rule.scope.wants(side, method).then(|| rule.shown.level(|| method));
        self.interest(native, level)
    }

    fn by_method(&self, name: &Name) -> [Interest; Side::COUNT] {
        SIDES.map(|side| {
            let native = self.native.map(|most| most.min(name.native[side as usize]));
            self.in_method(native, side, name.symbol.as_str())
        })
    }
}

/// A method that a router has shown to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) symbol: Symbol,
    /// What the native tracers want of its calls on each side.
    pub(super) native: [Level; Side::COUNT],
}

pub(crate) const SIDES: [Side; Side::COUNT] = [Side::Client, Side::Server, Side::Endpoint];

/// The place of a method in the snapshots; the same in all that know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodId(NonZeroU32);

impl MethodId {
    pub(super) fn new(place: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place as u32))
    }

    pub(super) fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One snapshot.
pub struct Live {
    pub(crate) epoch: u64,
    ids: HashMap<&'static str, MethodId, foldhash::fast::RandomState>,
    methods: Vec<Known>,
    /// For methods that are not known yet: who could want them.
    unknown: [Interest; Side::COUNT],
    outcomes: [Mask; Outcome::COUNT],
    /// Those that want attempts.
    attempts: Mask,
    sampling: Vec<Rule>,
    /// Those that act at the start of calls, in the order in which they do.
    starters: Vec<Rule>,
    rules: Rules,
}

struct Known {
    symbol: Symbol,
    interest: [Interest; Side::COUNT],
}

impl Live {
    pub(super) fn new(epoch: u64, names: &[Name], rules: &Rules) -> Self {
        let mut ids = HashMap::with_capacity_and_hasher(names.len(), foldhash::fast::RandomState::default());
        let methods = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                ids.insert(name.symbol.as_str(), MethodId::new(i));
                Known { symbol: name.symbol, interest: rules.by_method(name) }
            })
            .collect();
        let mask = |wants: &dyn Fn(&Rule) -> bool| {
            let slots = rules.plugins.iter().filter(|rule| wants(rule)).map(|rule| Mask::one(rule.slot));
            slots.fold(Mask::NONE, Mask::or)
        };
        let outcomes = std::array::from_fn(|outcome| mask(&|rule| rule.scope.wants_outcome(outcome)));
        let attempts = mask(&|rule| rule.attempts);
        let unknown = SIDES
            .map(|side| rules.interest(rules.native, |rule| rule.scope.wants_side(side).then(|| rule.shown.most())));
        let sampling = rules.plugins.iter().filter(|rule| rule.scope.samples()).cloned().collect();
        let mut starters: Vec<Rule> = rules.plugins.iter().filter(|rule| rule.start.is_some()).cloned().collect();
        starters.sort_by(|a, b| a.name().cmp(&b.name()));
        Self { epoch, ids, methods, unknown, outcomes, attempts, sampling, starters, rules: rules.clone() }
    }

    /// Who wants a call of this method, asked at its start.
    #[inline]
    pub(crate) fn interest(&self, side: Side, method: &str) -> (Option<(MethodId, Symbol)>, Interest) {
        let side = side as usize;
        match self.ids.get(method).and_then(|&id| Some((id, self.methods.get(id.place())?))) {
            Some((id, known)) => (Some((id, known.symbol)), known.interest[side]),
            None => (None, self.unknown[side]),
        }
    }

    /// Who could want a call of this side.
    #[inline]
    pub(crate) fn any(&self, side: Side) -> Interest {
        self.unknown[side as usize]
    }

    /// Who wants a call of a method that some snapshot has known.
    #[inline]
    pub(crate) fn interest_in(&self, method: MethodId, side: Side) -> Interest {
        self.methods.get(method.place()).map_or(self.unknown[side as usize], |known| known.interest[side as usize])
    }

    /// Lets every plugin act that has this call in its scope, as far as that is known before it ends.
    pub(crate) fn start(&self, id: Option<MethodId>, info: &mut RpcInfo, headers: &mut HeaderMap, clock: &Clock) {
        let known = id.and_then(|id| self.methods.get(id.place()));
        let mut budget = BUDGET;
        // Who is alone leaves nothing to others, and bounds its own time without a clock.
        let shared = self.starters.len() > 1;
        for rule in &self.starters {
            let wanted = match known {
                Some(known) => known.interest[info.side as usize].mask.has(rule.slot),
                None => rule.scope.wants(info.side, info.invocation.method.as_str()),
            };
            if wanted
                && rule.scope.wants_trace(info.trace.trace_id)
                && let Some(start) = &rule.start
            {
                let began = shared.then(|| clock.now());
                if let Some(token) = start.start(info, headers, budget) {
                    info.tokens.add(rule.slot, token);
                }
                if let Some(began) = began {
                    budget = budget.saturating_sub(clock.now().saturating_sub(began));
                }
            }
        }
    }

    /// Nobody wants any call of this side.
    pub(crate) fn is_idle(&self, side: Side) -> bool {
        self.unknown[side as usize].level.is_none()
    }

    /// How many methods it knows.
    pub(super) fn known(&self) -> usize {
        self.methods.len()
    }

    /// Bit i: nobody wants any call of side i. The highest bits: [`STARTS`], [`DISABLED`], [`FOLLOWED`], [`ATTEMPTS`].
    pub(super) fn flags(&self) -> u8 {
        let idle = SIDES.into_iter().filter(|side| self.is_idle(*side)).fold(0, |bits, side| bits | 1 << side as u8);
        let starts = if self.starters.is_empty() { 0 } else { STARTS };
        let disabled = if self.rules.is_off() { DISABLED } else { 0 };
        let followed = if self.rules.plugins.iter().any(|rule| rule.streams) { FOLLOWED } else { 0 };
        let attempts = if self.attempts.is_empty() { 0 } else { ATTEMPTS };
        idle | starts | disabled | followed | attempts
    }

    /// Which plugins get this finished call.
    #[inline]
    pub(crate) fn final_mask(&self, id: Option<MethodId>, symbol: Symbol, info: &RpcInfo) -> Mask {
        let known = id.and_then(|id| self.methods.get(id.place()));
        let by_method = match known {
            Some(known) => known.interest[info.side as usize].mask,
            None => self.rules.in_method(None, info.side, symbol.as_str()).mask,
        };
        let by_method = if info.attempt_of().is_some() { by_method.and(self.attempts) } else { by_method };
        self.sampled(by_method.and(self.outcomes[info.stats.outcome as usize]), info.trace.trace_id)
    }

    /// Which plugins get the messages of this open call: how it will end is not known, so outcomes narrow nothing.
    pub(crate) fn followers(&self, id: Option<MethodId>, side: Side, name: &str, trace_id: u128) -> Mask {
        let known = id.and_then(|id| self.methods.get(id.place()));
        let by_method = match known {
            Some(known) => known.interest[side as usize].streams,
            None => self.rules.in_method(None, side, name).streams,
        };
        self.sampled(by_method, trace_id)
    }

    /// Without those that sample, and have not this trace in their share.
    #[inline]
    fn sampled(&self, mut mask: Mask, trace_id: u128) -> Mask {
        for rule in &self.sampling {
            if !rule.scope.wants_trace(trace_id) {
                mask = mask.without(rule.slot);
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::{Method, RpcStats, TraceContext};

    fn rule(slot: usize, methods: &[&str], outcomes: Option<&[Outcome]>, sample: f64) -> Rule {
        let methods: Vec<String> = methods.iter().map(|&method| method.to_owned()).collect();
        let scope = Arc::new(Scope::new(Some(&[Side::Server]), &methods, &[], outcomes, sample).expect("a scope"));
        let shown = Shown::new(Level::Base, &scope);
        assert_eq!(shown.uniform(), Some(Level::Base));
        // Of these plugins only the first wants attempts beside calls.
        Rule { slot, scope, shown, streams: false, attempts: slot == 0, start: None }
    }

    #[test]
    fn a_finished_call_is_for_those_whose_whole_scope_it_is_in() {
        let errors: &[Outcome] = &[Outcome::Error];
        let plugins = vec![
            rule(0, &[], None, 1.0),
            rule(1, &["a.B/*"], None, 1.0),
            rule(2, &[], Some(errors), 1.0),
            rule(3, &[], None, 0.0),
            rule(4, &["a.B/*"], Some(errors), 1.0),
        ];
        let known = Name { symbol: Symbol::intern("a.B/C"), native: [Level::Base; Side::COUNT] };
        let live = Live::new(1, &[known], &Rules { plugins, ..Rules::default() });
        for (side, method, outcome, expected) in [
            (Side::Server, "a.B/C", Outcome::Ok, &[0, 1][..]),
            (Side::Server, "a.B/C", Outcome::Error, &[0, 1, 2, 4]),
            (Side::Server, "x.Y/Z", Outcome::Ok, &[0]),
            (Side::Server, "x.Y/Z", Outcome::Error, &[0, 2]),
            (Side::Client, "a.B/C", Outcome::Error, &[]),
        ] {
            let stats = RpcStats { outcome, ..RpcStats::new(Level::Base, 0, 0) };
            let mut info = RpcInfo::new(1, side, Method::new(method), TraceContext::root(), stats);
            let id = live.interest(side, method).0.map(|(id, _)| id);
            assert_eq!(id.is_some(), method == "a.B/C");
            let symbol = Symbol::intern(method);
            let mask = live.final_mask(id, symbol, &info);
            assert_eq!(mask.slots().collect::<Vec<_>>(), expected, "{side:?} {method} {outcome:?}");
            info.logical_id = 7;
            assert_eq!(
                live.final_mask(id, symbol, &info),
                mask.and(Mask::one(0)),
                "an attempt, {side:?} {method} {outcome:?}"
            );
        }
    }
}
