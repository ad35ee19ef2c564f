//! Where the current snapshot is, and how the next one takes its place.

use crate::lock::lock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::seen::Seen;
use super::snapshot::{ATTEMPTS, DISABLED, FOLLOWED, Live, MethodId, Name, Rules, SIDES, STARTS};
use crate::process::Process;
use crate::rpc::{Level, Side, Symbol};

/// How long methods that were just learned may wait for the next snapshot. Until then their calls take the slow path;
/// a shorter time would copy the table too often while a large service warms up.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Where the current snapshot is. The RPC's thread compares one number to know that its own copy is current.
pub struct LiveCell {
    epoch: AtomicU64,
    /// See [`Live::flags`]. Asked before anything else, so that a call that nobody wants costs next to nothing.
    flags: AtomicU8,
    process: Process,
    /// The log has told that this is a forked child.
    told_forked: AtomicBool,
    seen: Seen,
    master: Mutex<Master>,
}

struct Master {
    current: Arc<Live>,
    names: Vec<Name>,
    known: HashMap<Symbol, MethodId, foldhash::fast::RandomState>,
    rules: Rules,
    published: Instant,
}

impl LiveCell {
    pub fn new(rules: Rules) -> Self {
        let current = Arc::new(Live::new(1, &[], &rules));
        Self {
            epoch: AtomicU64::new(1),
            flags: AtomicU8::new(current.flags()),
            process: Process::current(),
            told_forked: AtomicBool::new(false),
            seen: Seen::new(),
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

    #[inline]
    fn flags(&self) -> u8 {
        if self.is_forked() { self.off() } else { self.flags.load(Ordering::Acquire) }
    }

    /// True in a child that was forked from the process that this was made in: none of the threads that tracing needs is
    /// there, and a lock that one of them held is held for ever. Nothing here may be locked then.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.process.is_forked()
    }

    /// The flags in a forked child: nothing is traced, and the log says so once.
    #[cold]
    fn off(&self) -> u8 {
        if !self.told_forked.swap(true, Ordering::Relaxed) {
            self.process.tell_forked();
        }
        SIDES.into_iter().fold(DISABLED, |bits, side| bits | 1 << side as u8)
    }

    /// Nobody wants any call of this side.
    #[inline]
    pub(crate) fn is_idle(&self, side: Side) -> bool {
        self.flags() & 1 << side as u8 != 0
    }

    /// Nothing is traced, whatever the tracers want: the kill switch is on, or this is disabled.
    #[inline]
    pub fn is_disabled(&self) -> bool {
        self.flags() & DISABLED != 0
    }

    /// Somebody acts at the start of calls.
    #[inline]
    pub(crate) fn has_starters(&self) -> bool {
        self.flags() & STARTS != 0
    }

    /// Somebody follows open streams.
    #[inline]
    pub(crate) fn has_followers(&self) -> bool {
        self.flags() & FOLLOWED != 0
    }

    /// A plugin wants attempts.
    #[inline]
    pub(crate) fn has_attempts(&self) -> bool {
        self.flags() & ATTEMPTS != 0
    }

    pub(crate) fn load(&self) -> Arc<Live> {
        self.lock().current.clone()
    }

    /// Replaces what the live tracers asked for. When it returns, every thread that looks sees it.
    pub fn update(&self, change: impl FnOnce(&mut Rules)) {
        let mut master = self.lock();
        change(&mut master.rules);
        self.publish(&mut master);
    }

    /// Turns the kill switch. When it returns, every thread that looks sees it. Does nothing in a forked child.
    pub fn pause(&self, paused: bool) {
        if self.is_forked() {
            return;
        }
        let mut master = self.lock();
        master.rules.paused = paused;
        self.publish(&mut master);
    }

    /// The kill switch is on.
    pub fn is_paused(&self) -> bool {
        !self.is_forked() && self.lock().rules.paused
    }

    /// Notes that a call of this method has ended on this side.
    #[inline]
    pub(crate) fn saw(&self, method: MethodId, side: Side) {
        self.seen.mark(method, side);
    }

    /// The methods of which calls have ended, each with the sides on which they did.
    pub fn seen(&self) -> Vec<(&'static str, [bool; Side::COUNT])> {
        let names: Vec<_> = self.lock().names.iter().map(|name| name.symbol).collect();
        names.iter().enumerate().map(|(place, name)| (name.as_str(), self.seen.sides(MethodId::new(place)))).collect()
    }

    /// Takes a method into the table that a router has shown to know; [`Symbol::OTHER`] if the table is full. `native` is
    /// what the native tracers want of it: they are asked before anything is locked.
    ///
    /// A flood of new methods costs each of them a lock, and a new snapshot only when the table has grown by an eighth
    /// or a tenth of a second has passed.
    pub(crate) fn learn(&self, side: Side, method: &str, native: impl FnOnce() -> [Level; Side::COUNT]) -> Symbol {
        let symbol = Symbol::intern_method(method);
        if symbol == Symbol::OTHER {
            return symbol;
        }
        let name = (!self.lock().known.contains_key(&symbol)).then(|| Name { symbol, native: native() });
        let mut master = self.lock();
        if let Some(name) = name
            && !master.known.contains_key(&symbol)
        {
            let id = MethodId::new(master.names.len());
            master.known.insert(symbol, id);
            master.names.push(name);
        }
        if let Some(id) = master.known.get(&symbol) {
            self.seen.mark(*id, side);
        }
        let published = master.current.known();
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
        lock(&self.master)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::mask::Mask;
    use crate::live::scope::Scope;
    use crate::live::scope::Shown;
    use crate::live::snapshot::Rule;

    fn rule(slot: usize, methods: &[&str]) -> Rule {
        let methods: Vec<String> = methods.iter().map(|m| (*m).to_owned()).collect();
        let scope = Scope::new(None, &methods, &[], None, 1.0).expect("valid");
        Rule {
            slot,
            scope: Arc::new(scope),
            shown: Shown::of_all(Level::Base),
            streams: false,
            attempts: false,
            start: None,
        }
    }

    #[test]
    fn a_learned_method_has_the_interest_of_its_plugins() {
        let cell = LiveCell::new(Rules::default());
        cell.update(|rules| rules.plugins = vec![rule(0, &[]), rule(5, &["live.A/*"])]);
        cell.learn(Side::Server, "live.A/One", || [Level::Detailed; 3]);
        cell.learn(Side::Server, "live.B/Two", || [Level::Detailed; 3]);
        let live = cell.load();
        let (id, interest) = live.interest(Side::Server, "live.A/One");
        assert!(id.is_some());
        assert_eq!(interest.mask, Mask::one(0).or(Mask::one(5)));
        assert_eq!(live.interest(Side::Client, "live.B/Two").1.mask, Mask::one(0));
        assert_eq!(live.interest(Side::Endpoint, "live.B/Two").1.level, None);
    }

    #[test]
    fn a_method_is_seen_on_the_sides_on_which_its_calls_have_ended() {
        let cell = LiveCell::new(Rules::default());
        assert!(cell.seen().is_empty());
        cell.learn(Side::Server, "seen.A/One", || [Level::Base; 3]);
        cell.learn(Side::Client, "seen.B/Two", || [Level::Base; 3]);
        assert_eq!(cell.seen(), [("seen.A/One", [false, true, false]), ("seen.B/Two", [true, false, false])]);
        let (known, _) = cell.load().interest(Side::Server, "seen.A/One");
        cell.saw(known.expect("published").0, Side::Endpoint);
        assert_eq!(cell.seen()[0], ("seen.A/One", [false, true, true]));
    }

    #[test]
    fn a_flood_of_methods_does_not_copy_the_table_each_time() {
        let cell = LiveCell::new(Rules::default());
        let before = cell.epoch();
        for i in 0..2_000 {
            cell.learn(Side::Server, &format!("live.Flood/M{i}"), || [Level::Detailed; 3]);
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
        cell.learn(Side::Server, "live.A/Three", || [Level::Detailed; 3]);
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
        let cell = LiveCell::new(Rules { plugins: vec![rule(0, &[])], native: Some(Level::Base), ..Rules::default() });
        assert!(!cell.load().is_idle(Side::Server));
        cell.pause(true);
        assert!(cell.load().is_idle(Side::Server) && cell.is_disabled());
        cell.pause(false);
        assert!(!cell.load().is_idle(Side::Server) && !cell.is_disabled());
        cell.update(|rules| rules.disabled = true);
        cell.pause(false);
        assert!(cell.load().is_idle(Side::Server) && cell.is_disabled(), "only a pause is ended");
    }
}
