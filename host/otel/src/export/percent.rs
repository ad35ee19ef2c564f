//! Lists of `key=value` whose values are percent-encoded, as variables have them.

use hottap_core::propagate::decode;

/// The pairs of a list; none if one of them has no key, no `=`, or is no UTF-8 when it is decoded.
pub(super) fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let (key, value) = (decode(key.trim())?, decode(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        for (list, expected, reason) in [
            ("a=1, b = two words ,,", Some(vec![("a", "1"), ("b", "two words")]), "spaces and empty members"),
            ("a=%41%2c%3D=x", Some(vec![("a", "A,==x")]), "escapes, and an equals sign"),
            ("a=100%,b=%4", Some(vec![("a", "100%"), ("b", "%4")]), "no escapes"),
            ("a=%C3%A9", Some(vec![("a", "é")]), "two bytes"),
            ("a=%C3", None, "no UTF-8"),
            ("a", None, "no value"),
            ("=1", None, "no key"),
            ("", Some(vec![]), "nothing"),
        ] {
            let expected = expected
                .map(|pairs| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
            assert_eq!(pairs(list), expected, "{list:?}: {reason}");
        }
    }
}
