//! What an application says of a call in words of its own: a small bounded list of keys and values.

use super::{Symbol, cut};

/// Pairs in one list. Who needs more has data, not tags.
const MAX_TAGS: usize = 32;
/// Bytes kept of a value.
const MAX_VALUE_BYTES: usize = 256;

/// Keys and values, each key once, in the order in which they came: at most 32, values of at most 256 bytes.
///
/// Empty it takes no memory beside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Option<Box<List>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct List {
    pairs: Vec<(Symbol, Box<str>)>,
}

impl Tags {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Symbol, &str)> {
        self.0.iter().flat_map(|list| &list.pairs).map(|(key, value)| (*key, &**value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.pairs.len())
    }

    /// True if there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Sets a value; the key's old one is replaced. False if the list is full: then it is left out.
    pub(crate) fn set(&mut self, key: Symbol, value: &str) -> bool {
        let value = cut(value, MAX_VALUE_BYTES);
        let pairs = &mut self.0.get_or_insert_default().pairs;
        let is_full = pairs.len() == MAX_TAGS;
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value.into(),
            None if is_full => return false,
            None => pairs.push((key, value.into())),
        }
        true
    }

    /// Sets all of another list.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (key, value) in other.iter() {
            self.set(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_value_and_a_list_has_its_bounds() {
        let mut tags = Tags::default();
        assert!(tags.is_empty());
        for i in 0..40 {
            assert_eq!(tags.set(Symbol::intern(&format!("tags.key.{i}")), &i.to_string()), i < 32, "{i}");
        }
        assert!(tags.set(Symbol::intern("tags.key.3"), &"é".repeat(200)));
        assert_eq!(tags.len(), 32);
        assert_eq!(tags.get("tags.key.3").map(str::len), Some(256));
        assert_eq!((tags.get("tags.key.31"), tags.get("tags.key.32")), (Some("31"), None));
    }
}
