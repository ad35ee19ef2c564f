//! What each RPC thread keeps for itself: its copy of the live snapshot, its shard, its block of call ids.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Core;
use super::live::Live;
#[cfg(feature = "plugins")]
use crate::collect::Shard;

/// Call ids that a thread takes at once, so that threads do not contend for the counter.
const ID_BLOCK: u64 = 1 << 16;
static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);

/// A thread's own things, for one Hottap.
pub(crate) struct Local {
    core: u64,
    live: Arc<Live>,
    ids: std::ops::Range<u64>,
    #[cfg(feature = "plugins")]
    pub(crate) shard: Arc<Shard>,
    /// Method names of plain HTTP are put together here.
    pub(crate) name: String,
}

thread_local! {
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

impl Local {
    /// Runs `with` on this thread's things. While the thread ends, on things of their own that are thrown away.
    pub(crate) fn with<R>(core: &Core, with: impl FnOnce(&mut Self) -> R) -> R {
        let mut with = Some(with);
        let done = LOCALS.try_with(|locals| {
            // A native tracer may make calls inside a call, but none is made while this is borrowed.
            let mut locals = locals.try_borrow_mut().ok()?;
            let index = match locals.iter().position(|local| local.core == core.id) {
                Some(index) => index,
                None => {
                    locals.retain(|local| !local.is_orphan());
                    locals.push(Self::new(core));
                    locals.len() - 1
                }
            };
            Some(with.take()?(locals.get_mut(index)?))
        });
        match (done, with) {
            (Ok(Some(result)), _) => result,
            (_, Some(with)) => with(&mut Self::new(core)),
            (_, None) => unreachable!("`with` is taken only to make the result"),
        }
    }

    fn new(core: &Core) -> Self {
        Self {
            core: core.id,
            live: core.live.load(),
            ids: 0..0,
            #[cfg(feature = "plugins")]
            shard: core.shards.register(),
            name: String::new(),
        }
    }

    /// Its Hottap is gone.
    fn is_orphan(&self) -> bool {
        #[cfg(feature = "plugins")]
        return self.shard.is_orphan();
        #[cfg(not(feature = "plugins"))]
        return false;
    }

    /// The current snapshot.
    pub(crate) fn live(&mut self, core: &Core) -> &Arc<Live> {
        if self.live.epoch != core.live.epoch() {
            self.live = core.live.load();
        }
        &self.live
    }

    /// A number that no other call in the process has.
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
}
