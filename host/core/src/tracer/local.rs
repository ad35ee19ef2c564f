//! The state that each RPC thread keeps for itself: its copy of the live snapshot, its shard, its block of call ids. Here rows
//! are written: the end of the hot path.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Core;
use super::natives::Natives;
use crate::collect::{Moment, Shard};
use crate::live::{Live, MethodId};
use crate::rpc::{Level, MAX_METHOD_BYTES, RpcInfo, Side, Symbol};

/// Call ids that a thread takes at once, so that threads do not contend for the counter.
const ID_BLOCK: u64 = 1 << 16;
static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);

/// A thread's own things, for one Hottap.
pub struct Local {
    core: u64,
    gone: Arc<AtomicBool>,
    live: Arc<Live>,
    ids: std::ops::Range<u64>,
    pub(crate) shard: Arc<Shard>,
    /// Method names of plain HTTP are put together here.
    pub(crate) name: String,
    recent: [Option<Recent>; RECENT],
}

/// How many methods a thread keeps at hand. A service has few that are called all the time.
const RECENT: usize = 32;

/// A method that this thread has met. What its name stands for is the same in all snapshots.
#[derive(Clone, Copy)]
struct Recent {
    name: &'static str,
    method: MethodId,
    symbol: Symbol,
}

impl Recent {
    /// Where a method is kept, by the end of its name, which tells methods apart best. Names that meet in one place only
    /// take the longer way, by the snapshot's table.
    #[inline]
    fn place(name: &str) -> usize {
        let end = name.as_bytes().last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
        ((end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT.ilog2())) as usize
    }
}

/// What is decided when a call starts: plain numbers, because what is put together is copied in other pieces than it was
/// written in, and the processor waits for that.
pub(super) struct Decided {
    pub(super) id: u64,
    pub(super) level: Level,
    /// None as long as no snapshot has the method.
    pub(super) method: Option<MethodId>,
    /// Its name, if a snapshot has it.
    pub(super) symbol: Symbol,
}

/// Whether the name that a call has at its start is the one that it will have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Finally,
    SoFar,
}

thread_local! {
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

impl Local {
    /// Runs `with` on this thread's things. While the thread ends, on things of their own that are thrown away.
    #[inline]
    pub(crate) fn with<R>(core: &Core, with: impl FnOnce(&mut Self) -> R) -> R {
        let mut with = Some(with);
        let done = LOCALS.try_with(|locals| {
            // A native tracer may make calls inside a call, but none is made while this is borrowed.
            let mut locals = locals.try_borrow_mut().ok()?;
            let index = match locals.iter().position(|local| local.core == core.id) {
                Some(index) => index,
                None => Self::add(&mut locals, core),
            };
            Some(with.take()?(locals.get_mut(index)?))
        });
        match (done, with) {
            (Ok(Some(result)), _) => result,
            (_, Some(with)) => with(&mut Self::new(core)),
            (_, None) => unreachable!("`with` is taken only to make the result"),
        }
    }

    /// The first call of this thread: it gets a place for itself, and those of Hottaps that are gone are given up.
    #[cold]
    fn add(locals: &mut Vec<Self>, core: &Core) -> usize {
        locals.retain(|local| !local.gone.load(Ordering::Relaxed));
        locals.push(Self::new(core));
        locals.len() - 1
    }

    #[cold]
    fn new(core: &Core) -> Self {
        Self {
            core: core.id,
            gone: core.gone.clone(),
            live: core.live.load(),
            ids: 0..0,
            shard: core.shards.register(),
            name: String::new(),
            recent: [None; RECENT],
        }
    }

    /// The current snapshot.
    #[inline]
    pub(crate) fn live(&mut self, core: &Core) -> &Arc<Live> {
        if self.live.epoch != core.live.epoch() {
            self.live = core.live.load();
        }
        &self.live
    }

    /// Whether anybody wants a call of the method whose name is the concatenation of `name`. `own` are the tracers of the
    /// call's own layer, which want it whatever others do.
    #[inline]
    pub(super) fn decide(
        &mut self,
        core: &Core,
        side: Side,
        name: &[&str],
        named: Named,
        own: Option<&Natives>,
    ) -> Option<Decided> {
        self.live(core);
        let name = match name {
            [name] => name,
            parts => {
                self.name.clear();
                // A part beyond what a method may have makes it `_OTHER` all the same.
                parts.iter().for_each(|part| self.name.push_str(crate::rpc::cut(part, MAX_METHOD_BYTES + 1)));
                self.name.as_str()
            }
        };
        let place = Recent::place(name);
        let (method, symbol, level) = match self.recent.get(place) {
            Some(Some(recent)) if recent.name == name => {
                (Some(recent.method), recent.symbol, self.live.interest_in(recent.method, side).level)
            }
            _ => {
                let (known, interest) = self.live.interest(side, name);
                if let (Some((method, symbol)), Some(recent)) = (known, self.recent.get_mut(place)) {
                    *recent = Some(Recent { name: symbol.as_str(), method, symbol });
                }
                let (method, symbol) = known.map_or((None, Symbol::NONE), |(method, symbol)| (Some(method), symbol));
                (method, symbol, interest.level)
            }
        };
        let level = if named == Named::SoFar { self.live.any(side).level } else { level };
        let own = own.map(|own| own.level(side, name, core.native_level));
        Some(Decided { level: level.max(own)?, id: self.next_id(), method, symbol })
    }

    /// A number that no other call in the process has.
    #[inline]
    pub(crate) fn next_id(&mut self) -> u64 {
        match self.ids.next() {
            Some(id) => id,
            None => {
                let block = NEXT_BLOCK.fetch_add(1, Ordering::Relaxed);
                self.ids = block * ID_BLOCK + 1..(block + 1) * ID_BLOCK;
                block * ID_BLOCK
            }
        }
    }

    /// Writes the row of a finished call, if a plugin wants it.
    ///
    /// The decision is made of the snapshot that is current while the shard's lock is held. So once a new snapshot is
    /// published and every shard has been taken, no row of an older one can appear: the slot of a removed plugin is free.
    #[inline]
    pub(super) fn write(&mut self, core: &Core, method: Option<MethodId>, symbol: Symbol, info: &RpcInfo) {
        loop {
            let live = self.live(core);
            let mask = live.final_mask(method, symbol, info);
            if mask.is_empty() {
                return;
            }
            let epoch = live.epoch;
            let mut buffer = self.shard.lock();
            if core.live.epoch() != epoch {
                continue;
            }
            let full = buffer.write(info, symbol, mask);
            drop(buffer);
            self.shard.wake(full);
            return;
        }
    }

    /// Writes a message of an open call, if a plugin follows the call. `moment` makes it of the snapshot that is current
    /// while the shard's lock is held, as [`write`](Self::write) does.
    #[inline]
    pub(super) fn write_moment(&mut self, core: &Core, mut moment: impl FnMut(&Live) -> Option<Moment>) {
        if core.live.is_forked() {
            return;
        }
        loop {
            let live = self.live(core);
            let Some(moment) = moment(live) else { return };
            let epoch = live.epoch;
            self.shard.follow();
            let mut buffer = self.shard.lock();
            if core.live.epoch() != epoch {
                continue;
            }
            let wake = buffer.write_moment(moment);
            drop(buffer);
            self.shard.wake(wake);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::{CallContext, Handle, Tracer};

    struct Everybody;

    impl Tracer for Everybody {
        fn start(&self, _: &mut CallContext) {}
        fn finish(&self, _: &CallContext) {}
    }

    #[test]
    fn a_thread_keeps_nothing_of_hottaps_that_are_gone() {
        for _ in 0..100 {
            let handle = Handle::new(Core::bare("desk", vec![Arc::new(Everybody)]), Arc::new(()));
            handle.start_call(Side::Server, "a.B/C").expect("wanted").finish();
            assert_eq!(LOCALS.with_borrow(Vec::len), 1, "this one's own");
        }
    }
}
