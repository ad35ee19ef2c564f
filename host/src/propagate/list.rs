//! Headers that are lists of members, which W3C bounds: passed on as they came, as a whole or not at all.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What a list may have at the most.
pub(super) struct Bounds {
    pub(super) members: usize,
    pub(super) bytes: usize,
}

/// The list that came with a request; none if there is none or it is beyond the bounds.
pub(super) fn extract(headers: &HeaderMap, name: &HeaderName, bounds: &Bounds) -> Option<HeaderValue> {
    // A walk over the few headers that RPCs have is quicker than to hash the name of one that is rarely there.
    if !headers.keys().any(|known| known == name) {
        return None;
    }
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let joined = match values.next() {
        None => first.clone(),
        // A list may stand in several headers, in their order.
        Some(second) => {
            let mut joined = first.as_bytes().to_vec();
            for value in std::iter::once(second).chain(values) {
                if joined.len() + value.len() >= bounds.bytes {
                    return None;
                }
                joined.push(b',');
                joined.extend_from_slice(value.as_bytes());
            }
            HeaderValue::from_bytes(&joined).ok()?
        }
    };
    bounds.hold(joined.as_bytes()).then_some(joined)
}

impl Bounds {
    fn hold(&self, list: &[u8]) -> bool {
        if list.len() > self.bytes {
            return false;
        }
        (1..=self.members).contains(&members(list).count())
    }
}

/// The members of a list. W3C allows empty ones and does not count them.
pub(super) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
