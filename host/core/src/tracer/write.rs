//! The hot path's end: decides who gets a finished call and writes its row, and writes the messages of open ones.

use super::{Core, Local};
use crate::collect::Moment;
use crate::live::{Live, MethodId};
use crate::rpc::{RpcInfo, Symbol};

/// Writes the row of a finished call, if a plugin wants it.
///
/// The decision is made of the snapshot that is current while the shard's lock is held. So once a new snapshot is
/// published and every shard has been taken, no row of an older one can appear: the slot of a removed plugin is free.
#[inline]
pub(crate) fn write(core: &Core, local: &mut Local, method: Option<MethodId>, symbol: Symbol, info: &RpcInfo) {
    loop {
        let live = local.live(core);
        let mask = live.final_mask(method, symbol, info);
        if mask.is_empty() {
            return;
        }
        let epoch = live.epoch;
        let mut buffer = local.shard.lock();
        if core.live.epoch() != epoch {
            continue;
        }
        let full = buffer.write(info, symbol, mask);
        drop(buffer);
        local.shard.wake(full);
        return;
    }
}

/// Writes a message of an open call, if a plugin follows the call. `moment` makes it of the snapshot that is current
/// while the shard's lock is held, as [`write`] does.
#[inline]
pub(crate) fn write_moment(core: &Core, local: &mut Local, mut moment: impl FnMut(&Live) -> Option<Moment>) {
    if core.live.is_forked() {
        return;
    }
    loop {
        let live = local.live(core);
        let Some(moment) = moment(live) else { return };
        let epoch = live.epoch;
        local.shard.follow();
        let mut buffer = local.shard.lock();
        if core.live.epoch() != epoch {
            continue;
        }
        let wake = buffer.write_moment(moment);
        drop(buffer);
        local.shard.wake(wake);
        return;
    }
}
