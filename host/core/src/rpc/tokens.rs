//! What starters returned for one call, by the plugin's slot.

/// Plugins that may act at the start of calls. Each costs the RPC its time, and each call has room for so many tokens.
pub const MAX_STARTERS: usize = 4;

/// At most one token per starter. Plain data: who the slots belong to is no matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// A slot plus one; 0 is a free place.
    slots: [u8; MAX_STARTERS],
    values: [u64; MAX_STARTERS],
}

impl Tokens {
    /// Keeps a token; one that finds no place is left out.
    pub(crate) fn add(&mut self, slot: usize, token: u64) {
        let places = self.slots.iter_mut().zip(&mut self.values);
        if let (Some((place, value)), Ok(slot)) =
            (places.into_iter().find(|(place, _)| **place == 0), u8::try_from(slot + 1))
        {
            (*place, *value) = (slot, token);
        }
    }

    /// The token of the starter in `slot`; 0 if it returned none.
    #[inline]
    pub(crate) fn of(&self, slot: usize) -> u64 {
        let found = self.slots.iter().position(|&place| usize::from(place) == slot + 1);
        found.and_then(|place| self.values.get(place)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_gets_its_own_token() {
        let mut tokens = Tokens::default();
        for slot in [3, 0, 127, 9, 5] {
            tokens.add(slot, 100 + slot as u64);
        }
        let of = [3, 0, 127, 9, 5, 1].map(|slot| tokens.of(slot));
        assert_eq!(of, [103, 100, 227, 109, 0, 0], "the fifth finds no place, and the last was never asked");
    }
}
