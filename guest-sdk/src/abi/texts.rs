//! What the host has told of one batch's texts; the numbers stand in the batch's columns.

use std::fmt;

use elsa::FrozenBTreeMap;

use super::Source;

/// Texts asked for in one call. The host answers for 65,536, and with 16 MiB: a text has at most a kibibyte.
const ASK: usize = 8192;

/// Texts by their numbers, kept for as long as the batch.
#[derive(Default)]
pub(crate) struct Texts(FrozenBTreeMap<u32, String>);

impl Texts {
    /// The text of a number; "" for 0, and for what means nothing in this batch.
    pub(crate) fn get(&self, number: u32, source: &Source) -> &str {
        if number == 0 {
            return "";
        }
        if self.0.get(&number).is_none() {
            self.learn(vec![number], source);
        }
        self.0.get(&number).unwrap_or("")
    }

    /// Asks the host for those of the numbers that are not known yet.
    pub(crate) fn learn(&self, mut numbers: Vec<u32>, source: &Source) {
        numbers.retain(|number| *number != 0 && self.0.get(number).is_none());
        numbers.sort_unstable();
        numbers.dedup();
        for numbers in numbers.chunks(ASK) {
            for (&number, text) in numbers.iter().zip(source.texts(numbers)) {
                self.0.insert(number, text);
            }
        }
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").field("told", &self.0.len()).finish()
    }
}
