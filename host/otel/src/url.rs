//! What of a URL may stand in a span: bounded, and without what the conventions name as secrets. It reads no request.

use std::borrow::Cow;

use http::uri::Authority;

/// The most bytes of one attribute that a stranger wrote. Less would cut the longest URLs that browsers and proxies are used
/// to; more would let each request carry its size into the collector several times over.
const MAX_BYTES: usize = 2_048;

/// The parameters whose values are redacted, in this spelling: those that the conventions list.
const SECRETS: [&str; 7] = [
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
];

const REDACTED: &str = "REDACTED";

/// As much of it as may stand in an attribute.
pub(super) fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or_default()
}

/// A query with the values of secrets redacted.
pub(super) fn query(query: &str) -> Cow<'_, str> {
    // What is cut off can't be told from what was never there, so no part of a secret is left by cutting first.
    let query = bounded(query);
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let mut text = String::with_capacity(query.len() + REDACTED.len());
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            text.push('&');
        }
        match pair.split_once('=') {
            Some((key, _)) if is_secret(pair) => text.extend([key, "=", REDACTED]),
            _ => text.push_str(pair),
        }
    }
    cut(&mut text);
    Cow::Owned(text)
}

fn is_secret(pair: &str) -> bool {
    pair.split_once('=').is_some_and(|(key, _)| SECRETS.contains(&key))
}

/// Path and query as one.
pub(super) fn target(path: &str, query: Option<&str>) -> String {
    let mut text = bounded(path).to_owned();
    if let Some(query) = query {
        text.extend(["?", &self::query(query)]);
        cut(&mut text);
    }
    text
}

/// The whole of it: `https://shop:8443/x?y=1`, or without a scheme, where nobody knows it, `//shop:8443/x?y=1`. User and
/// password are what `credentials` says, or left out.
pub(super) fn full(
    scheme: Option<&str>,
    authority: &Authority,
    credentials: &str,
    path: &str,
    query: Option<&str>,
) -> String {
    let host = authority.as_str();
    let (credentials, host) = host.rsplit_once('@').map_or(("", host), |(_, host)| (credentials, host));
    let (scheme, colon) = scheme.map_or(("", ""), |scheme| (scheme, ":"));
    let mut text = [scheme, colon, "//", credentials, host, &target(path, query)].concat();
    cut(&mut text);
    text
}

/// What stands for user and password in a URL that had them.
pub(super) const CREDENTIALS: &str = "REDACTED:REDACTED@";

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_query_are_redacted_by_their_names() {
        for (given, expected, reason) in [
            ("q=OpenTelemetry", "q=OpenTelemetry", "none"),
            ("q=OpenTelemetry&sig=hunter2", "q=OpenTelemetry&sig=REDACTED", "as the conventions have it"),
            ("Signature=a=b==&x", "Signature=REDACTED&x", "what follows the first = is the value"),
            ("AWSAccessKeyId=1&X-Goog-Signature=2", "AWSAccessKeyId=REDACTED&X-Goog-Signature=REDACTED", "several"),
            (
                "X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Security-Token=3",
                "X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED",
                "of later versions",
            ),
            ("SIG=1&signature=2&mysig=3", "SIG=1&signature=2&mysig=3", "other names"),
            ("sig&sig=", "sig&sig=REDACTED", "one has no value"),
            ("", "", "nothing"),
            ("&&=&sig=1&", "&&=&sig=REDACTED&", "no pairs"),
        ] {
            assert_eq!(query(given), expected, "{given}: {reason}");
        }
    }

    #[test]
    fn a_whole_url_has_neither_user_nor_password() {
        for (scheme, authority, path, given, expected) in [
            (Some("https"), "shop", "/x", None, "https://shop/x"),
            (Some("http"), "shop:8080", "/x", Some("sig=1"), "http://shop:8080/x?sig=REDACTED"),
            (Some("https"), "user:hunter2@shop", "/", None, "https://REDACTED:REDACTED@shop/"),
            (Some("https"), "user@[::1]:1", "/", None, "https://REDACTED:REDACTED@[::1]:1/"),
            (None, "shop", "/x", None, "//shop/x"),
        ] {
            let authority = Authority::from_static(authority);
            assert_eq!(full(scheme, &authority, CREDENTIALS, path, given), expected);
            let without = expected.replace(CREDENTIALS, "");
            assert_eq!(full(scheme, &authority, "", path, given), without);
        }
    }

    #[test]
    fn nothing_is_longer_than_its_bound() {
        let long = "ä".repeat(MAX_BYTES);
        assert_eq!(bounded(&long).len(), MAX_BYTES);
        assert_eq!(bounded(&format!("a{long}")).len(), MAX_BYTES - 1, "no character is cut in two");
        let secrets = "sig=1&".repeat(10_000);
        assert_eq!(query(&secrets).len(), MAX_BYTES);
        assert!(!query(&secrets).contains('1'));
        let (authority, path) = (Authority::from_static("shop"), "/".repeat(MAX_BYTES));
        assert_eq!(full(Some("http"), &authority, "", &path, Some(&secrets)).len(), MAX_BYTES);
        assert_eq!(target(&path, Some(&secrets)).len(), MAX_BYTES);
    }
}
