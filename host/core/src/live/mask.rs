//! Which plugins: one bit each.

/// How many plugins can be live at once. The scope decision on the RPC's thread is one AND of this many bits.
pub const MAX_PLUGINS: usize = 128;

/// A set of plugins, by slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask(pub(crate) u128);

impl Mask {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u128::MAX);

    pub const fn one(slot: usize) -> Self {
        Self(1 << (slot % MAX_PLUGINS))
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn has(self, slot: usize) -> bool {
        self.0 & Self::one(slot).0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, slot: usize) -> Self {
        Self(self.0 & !Self::one(slot).0)
    }

    /// The slots in it, lowest first.
    pub(crate) fn slots(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let slot = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                slot
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_what_was_put_in() {
        let mask = Mask::one(0).or(Mask::one(64)).or(Mask::one(127));
        assert_eq!(mask.slots().collect::<Vec<_>>(), [0, 64, 127]);
        assert!(mask.has(64) && !mask.without(64).has(64));
        assert_eq!(
            (mask.and(Mask::ALL), mask.and(Mask::one(64)), mask.and(Mask::NONE)),
            (mask, Mask::one(64), Mask::NONE)
        );
    }
}
