//! The sides on which calls of each known method have ended: for operators whose patterns match nothing.

use std::sync::atomic::{AtomicU8, Ordering};

use super::snapshot::MethodId;
use crate::rpc::{MAX_METHODS, Side};

/// A bit for each side of each method that a snapshot can know: 32 KiB. Each bit is written once, so that the RPC's
/// threads only read what they share.
pub(super) struct Seen(Box<[AtomicU8]>);

impl Seen {
    pub(super) fn new() -> Self {
        Self((0..MAX_METHODS).map(|_| AtomicU8::new(0)).collect())
    }

    #[inline]
    pub(super) fn mark(&self, method: MethodId, side: Side) {
        let bit = 1 << side as u8;
        if let Some(sides) = self.0.get(method.place())
            && sides.load(Ordering::Relaxed) & bit == 0
        {
            sides.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(super) fn sides(&self, method: MethodId) -> [bool; Side::COUNT] {
        let sides = self.0.get(method.place()).map_or(0, |sides| sides.load(Ordering::Relaxed));
        std::array::from_fn(|side| sides & 1 << side != 0)
    }
}
