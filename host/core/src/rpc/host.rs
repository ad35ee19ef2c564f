//! The host of an authority as the system and certificates know it.

/// An IPv6 address without the brackets that it has in URIs; any other host as it is.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_in_brackets_has_some_to_lose() {
        for (host, expected) in
            [("[::1]", "::1"), ("::1", "::1"), ("inventory", "inventory"), ("[::1", "[::1"), ("[]", ""), ("", "")]
        {
            assert_eq!(bare(host), expected, "{host:?}");
        }
    }
}
