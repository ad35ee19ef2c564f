//! The live set as the RPC's thread reads it: an immutable snapshot, replaced as a whole.

#![cfg_attr(all(not(feature = "plugins"), not(test)), expect(dead_code, reason = "only plugins have scopes and masks"))]

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use http::HeaderMap;

use super::mask::Mask;
use super::scope::Scope;
use super::start::{BUDGET, Start};
use crate::rpc::{Clock, Level, Outcome, RpcInfo, Side, Symbol};

/// How long methods that were just learned may wait for the next snapshot. Until then their calls take the slow path;
/// a shorter time would copy the table too often while a large service warms up.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// The flag that somebody acts at the start of calls.
const STARTS: u8 = 1 << 7;
/// The flag of the kill switch.
const DISABLED: u8 = 1 << 6;
/// The flag that somebody follows open streams.
const FOLLOWED: u8 = 1 << 5;

/// What one plugin asked for.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) slot: usize,
    pub(crate) scope: Arc<Scope>,
    pub(crate) level: Level,
    /// It wants the messages of open streams.
    pub(crate) streams: bool,
    /// What it does at the start of calls, if it does anything.
    pub(crate) start: Option<Arc<dyn Start>>,
}

impl Rule {
    fn name(&self) -> Option<&str> {
        self.start.as_ref().map(|start| start.name())
    }
}

/// What all live plugins asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) plugins: Vec<Rule>,
    /// What native tracers want, if there are any.
    pub(crate) native: Option<Level>,
    /// The kill switch: nothing is traced.
    pub(crate) disabled: bool,
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
    fn interest(&self, wants: impl Fn(&Rule) -> bool) -> Interest {
        let mut interest = Interest { mask: Mask::NONE, streams: Mask::NONE, level: self.native };
        if self.disabled {
            return Interest { level: None, ..interest };
        }
        for rule in self.plugins.iter().filter(|rule| wants(rule)) {
            interest.mask = interest.mask.or(Mask::one(rule.slot));
            if rule.streams {
                interest.streams = interest.streams.or(Mask::one(rule.slot));
            }
            interest.level = interest.level.max(Some(rule.level));
        }
        interest
    }

    fn by_method(&self, method: &str) -> [Interest; Side::COUNT] {
        [Side::Client, Side::Server, Side::Endpoint].map(|side| self.interest(|rule| rule.scope.wants(side, method)))
    }
}

/// The place of a method in the snapshots; the same in all that know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodId(NonZeroU32);

impl MethodId {
    fn new(place: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place as u32))
    }

    fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One snapshot.
pub(crate) struct Live {
    pub(crate) epoch: u64,
    ids: HashMap<&'static str, MethodId, foldhash::fast::RandomState>,
    methods: Vec<Known>,
    /// For methods that are not known yet: who could want them.
    unknown: [Interest; Side::COUNT],
    outcomes: [Mask; Outcome::COUNT],
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
    fn new(epoch: u64, names: &[Symbol], rules: &Rules) -> Self {
        let mut ids = HashMap::with_capacity_and_hasher(names.len(), foldhash::fast::RandomState::default());
        let methods = names
            .iter()
            .enumerate()
            .map(|(i, &symbol)| {
                ids.insert(symbol.as_str(), MethodId::new(i));
                Known { symbol, interest: rules.by_method(symbol.as_str()) }
            })
            .collect();
        let outcomes = std::array::from_fn(|outcome| {
            rules
                .plugins
                .iter()
                .filter(|rule| rule.scope.wants_outcome(outcome))
                .fold(Mask::NONE, |mask, rule| mask.or(Mask::one(rule.slot)))
        });
        let unknown =
            [Side::Client, Side::Server, Side::Endpoint].map(|side| rules.interest(|rule| rule.scope.wants_side(side)));
        let sampling = rules.plugins.iter().filter(|rule| rule.scope.samples()).cloned().collect();
        let mut starters: Vec<Rule> = rules.plugins.iter().filter(|rule| rule.start.is_some()).cloned().collect();
        starters.sort_by(|a, b| a.name().cmp(&b.name()));
        Self { epoch, ids, methods, unknown, outcomes, sampling, starters, rules: rules.clone() }
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

    /// Bit i: nobody wants any call of side i. The highest bits: [`STARTS`], [`DISABLED`], [`FOLLOWED`].
    fn flags(&self) -> u8 {
        let sides = [Side::Client, Side::Server, Side::Endpoint];
        let idle = sides.into_iter().filter(|side| self.is_idle(*side)).fold(0, |bits, side| bits | 1 << side as u8);
        let starts = if self.starters.is_empty() { 0 } else { STARTS };
        let disabled = if self.rules.disabled { DISABLED } else { 0 };
        let followed = if self.rules.plugins.iter().any(|rule| rule.streams) { FOLLOWED } else { 0 };
        idle | starts | disabled | followed
    }

    /// Which plugins get this finished call.
    #[inline]
    pub(crate) fn final_mask(&self, id: Option<MethodId>, symbol: Symbol, info: &RpcInfo) -> Mask {
        let known = id.and_then(|id| self.methods.get(id.place()));
        let by_method = match known {
            Some(known) => known.interest[info.side as usize].mask,
            None => self.rules.interest(|rule| rule.scope.wants(info.side, symbol.as_str())).mask,
        };
        self.sampled(by_method.and(self.outcomes[info.stats.outcome as usize]), info.trace.trace_id)
    }

    /// Which plugins get the messages of this open call: how it will end is not known, so outcomes narrow nothing.
    pub(crate) fn followers(&self, id: Option<MethodId>, side: Side, name: &str, trace_id: u128) -> Mask {
        let known = id.and_then(|id| self.methods.get(id.place()));
        let by_method = match known {
            Some(known) => known.interest[side as usize].streams,
            None => self.rules.interest(|rule| rule.scope.wants(side, name)).streams,
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

/// Where the current snapshot is. The RPC's thread compares one number to know that its own copy is current.
pub(crate) struct LiveCell {
    epoch: AtomicU64,
    /// See [`Live::flags`]. Asked before anything else, so that a call that nobody wants costs next to nothing.
    flags: AtomicU8,
    master: Mutex<Master>,
}

struct Master {
    current: Arc<Live>,
    names: Vec<Symbol>,
    known: HashMap<Symbol, MethodId, foldhash::fast::RandomState>,
    rules: Rules,
    published: Instant,
}

impl LiveCell {
    pub(crate) fn new(rules: Rules) -> Self {
        let current = Arc::new(Live::new(1, &[], &rules));
        Self {
            epoch: AtomicU64::new(1),
            flags: AtomicU8::new(current.flags()),
            master: Mutex::new(Master {
                current,
                names: Vec::new(),
                known: HashMap::default(),
                rules,
                published: Instant::now(),
            }),
        }
    }

    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Nobody wants any call of this side.
    #[inline]
    pub(crate) fn is_idle(&self, side: Side) -> bool {
        self.flags.load(Ordering::Acquire) & 1 << side as u8 != 0
    }

    /// The kill switch: nothing is traced, whoever wants it.
    #[inline]
    pub(crate) fn is_disabled(&self) -> bool {
        self.flags.load(Ordering::Acquire) & DISABLED != 0
    }

    /// Somebody acts at the start of calls.
    #[inline]
    pub(crate) fn has_starters(&self) -> bool {
        self.flags.load(Ordering::Acquire) & STARTS != 0
    }

    /// Somebody follows open streams.
    #[inline]
    pub(crate) fn has_followers(&self) -> bool {
        self.flags.load(Ordering::Acquire) & FOLLOWED != 0
    }

    pub(crate) fn load(&self) -> Arc<Live> {
        self.lock().current.clone()
    }

    /// Replaces what the live tracers asked for. When it returns, every thread that looks sees it.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Rules)) {
        let mut master = self.lock();
        change(&mut master.rules);
        self.publish(&mut master);
    }

    /// Takes a method into the table that a router has shown to know; [`Symbol::OTHER`] if the table is full.
    ///
    /// A flood of new methods costs each of them a lock, and a new snapshot only when the table has grown by an eighth
    /// or a tenth of a second has passed.
    pub(crate) fn learn(&self, method: &str) -> Symbol {
        let symbol = Symbol::intern_method(method);
        if symbol == Symbol::OTHER {
            return symbol;
        }
        let mut master = self.lock();
        if !master.known.contains_key(&symbol) {
            let id = MethodId::new(master.names.len());
            master.known.insert(symbol, id);
            master.names.push(symbol);
        }
        let published = master.current.methods.len();
        let waiting = master.names.len() - published;
        if waiting > published / 8 || (waiting > 0 && master.published.elapsed() > PUBLISH_EVERY) {
            self.publish(&mut master);
        }
        symbol
    }

    fn publish(&self, master: &mut Master) {
        let epoch = master.current.epoch + 1;
        master.current = Arc::new(Live::new(epoch, &master.names, &master.rules));
        master.published = Instant::now();
        self.epoch.store(epoch, Ordering::Release);
        self.flags.store(master.current.flags(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Master> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(slot: usize, methods: &[&str]) -> Rule {
        let methods: Vec<String> = methods.iter().map(|m| (*m).to_owned()).collect();
        let scope = Scope::new(None, &methods, &[], None, 1.0).expect("valid");
        Rule { slot, scope: Arc::new(scope), level: Level::Base, streams: false, start: None }
    }

    #[test]
    fn a_learned_method_has_the_interest_of_its_plugins() {
        let cell = LiveCell::new(Rules::default());
        cell.update(|rules| rules.plugins = vec![rule(0, &[]), rule(5, &["live.A/*"])]);
        cell.learn("live.A/One");
        cell.learn("live.B/Two");
        let live = cell.load();
        let (id, interest) = live.interest(Side::Server, "live.A/One");
        assert!(id.is_some());
        assert_eq!(interest.mask, Mask::one(0).or(Mask::one(5)));
        assert_eq!(live.interest(Side::Client, "live.B/Two").1.mask, Mask::one(0));
        assert_eq!(live.interest(Side::Endpoint, "live.B/Two").1.level, None);
    }

    #[test]
    fn a_flood_of_methods_does_not_copy_the_table_each_time() {
        let cell = LiveCell::new(Rules::default());
        let before = cell.epoch();
        for i in 0..2_000 {
            cell.learn(&format!("live.Flood/M{i}"));
        }
        assert!(cell.epoch() - before < 200, "{} snapshots", cell.epoch() - before);
    }

    #[test]
    fn an_open_call_is_followed_by_those_that_follow_streams_and_want_it() {
        let cell = LiveCell::new(Rules::default());
        assert!(!cell.has_followers());
        let follows = |slot, methods: &[&str]| Rule { streams: true, ..rule(slot, methods) };
        let none = Scope::new(None, &[], &[], None, 0.0).expect("valid");
        let unsampled = Rule { scope: Arc::new(none), ..follows(9, &[]) };
        cell.update(|rules| rules.plugins = vec![rule(0, &[]), follows(5, &["live.A/*"]), follows(7, &[]), unsampled]);
        assert!(cell.has_followers());
        cell.learn("live.A/Three");
        let live = cell.load();
        let (id, _) = live.interest(Side::Server, "live.A/Three");
        for (id, side, name, expected, reason) in [
            (id.map(|(id, _)| id), Side::Server, "live.A/Three", Mask::one(5).or(Mask::one(7)), "a known method"),
            (None, Side::Client, "live.A/New", Mask::one(5).or(Mask::one(7)), "a new one"),
            (None, Side::Client, "live.B/New", Mask::one(7), "out of the scope of one"),
            (None, Side::Endpoint, "live.A/New", Mask::NONE, "a side that none wants"),
        ] {
            assert_eq!(live.followers(id, side, name, 1), expected, "{reason}");
        }
        cell.update(|rules| rules.disabled = true);
        assert_eq!(cell.load().followers(None, Side::Server, "live.A/New", 1), Mask::NONE, "the kill switch");
    }

    #[test]
    fn the_kill_switch_leaves_nobody_interested() {
        let cell = LiveCell::new(Rules { plugins: vec![rule(0, &[])], native: Some(Level::Base), disabled: false });
        assert!(!cell.load().is_idle(Side::Server));
        cell.update(|rules| rules.disabled = true);
        assert!(cell.load().is_idle(Side::Server));
    }
}
