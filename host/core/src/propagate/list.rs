//! Headers that are lists of members, which W3C bounds.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What a list may have at the most.
pub(super) struct Bounds {
    pub(super) members: usize,
    pub(super) bytes: usize,
}

/// The list that came with a request, of one header or of several in their order; none if there is none.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    // A walk over the few headers that RPCs have is quicker than to hash the name of one that is rarely there.
    if !headers.keys().any(|known| known == name) {
        return None;
    }
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    match values.next() {
        None => Some(first.clone()),
        Some(second) => {
            let mut joined = first.as_bytes().to_vec();
            for value in std::iter::once(second).chain(values) {
                joined.push(b',');
                joined.extend_from_slice(value.as_bytes());
            }
            HeaderValue::from_bytes(&joined).ok()
        }
    }
}

impl Bounds {
    pub(super) fn hold(&self, list: &[u8]) -> bool {
        list.len() <= self.bytes && (1..=self.members).contains(&members(list).count())
    }
}

/// The members of a list. W3C allows empty ones and does not count them.
pub(super) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
