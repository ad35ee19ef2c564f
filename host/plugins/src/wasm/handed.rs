//! Which symbols an instance was handed: it may ask for the text of these, not of others.

use hottap_core::rpc::Symbol;

/// Symbols below this are fixed, and everybody may read them.
const FIXED: u32 = 256;

/// A set of symbols. Guessing ids must not read the names that other plugins' calls have.
#[derive(Default)]
pub(super) struct Handed(Vec<u64>);

impl Handed {
    /// Adds the symbols of a column.
    pub(super) fn add(&mut self, symbols: impl IntoIterator<Item = u32>) {
        let mut last = 0;
        for symbol in symbols {
            if symbol == last {
                continue;
            }
            last = symbol;
            let word = (symbol / 64) as usize;
            if self.0.len() <= word {
                self.0.resize(word + 1, 0);
            }
            if let Some(word) = self.0.get_mut(word) {
                *word |= 1 << (symbol % 64);
            }
        }
    }

    /// The text of a symbol, if it was handed over or is fixed; else "".
    pub(super) fn text(&self, symbol: u32) -> &'static str {
        let word = self.0.get((symbol / 64) as usize).copied().unwrap_or(0);
        if symbol >= FIXED && word & 1 << (symbol % 64) == 0 {
            return "";
        }
        Symbol::from_id(symbol).map_or("", Symbol::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_that_was_not_handed_over_has_no_text() {
        let (mine, other) = (Symbol::intern("handed.Mine/M"), Symbol::intern("handed.Other/M"));
        let mut handed = Handed::default();
        handed.add([mine.id(), mine.id()]);
        assert_eq!(handed.text(mine.id()), "handed.Mine/M");
        assert_eq!(handed.text(other.id()), "");
        assert_eq!(handed.text(1), "_OTHER");
        assert_eq!(handed.text(u32::MAX), "");
    }
}
