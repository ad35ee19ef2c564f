//! A server's words for the operator: printable, short, and without the secrets that it may have repeated. Pure.

use std::collections::HashSet;

use http::HeaderMap;

use hottap_core::plain::is_plain;
use hottap_core::rpc::cut;

/// Bytes of an answer's words.
const MAX_BYTES: usize = 200;
/// Pieces of a header or a query that are shorter are no secrets, and hiding them would make words unreadable.
const LEAST_SECRET: usize = 4;
/// Bytes in a row that a text and a secret have in common before that part is hidden, however the server changed the rest
/// (escaped it, cut it). Fewer would hide ordinary words.
const PART: usize = 8;
const HIDDEN: &str = "***";

/// Texts that must not be shown.
#[derive(Default)]
pub(super) struct Redaction {
    secrets: Vec<String>,
    parts: HashSet<[u8; PART]>,
}

impl Redaction {
    /// What a request has in its headers' values and in its query. `shown` are headers that the operator did not write.
    pub(super) fn new(headers: &HeaderMap, shown: &[http::HeaderName], query: Option<&str>) -> Self {
        let mut texts = Vec::new();
        for (_, value) in headers.iter().filter(|(name, _)| !shown.contains(name)) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // A server often repeats the token without the scheme before it.
            texts.extend(value.split_whitespace().map(str::to_owned));
            texts.push(value);
        }
        if let Some(query) = query {
            texts.push(query.to_owned());
            for pair in query.split('&') {
                let value = pair.split_once('=').map_or(pair, |(_, value)| value);
                texts.push(decoded(value));
                texts.push(value.to_owned());
            }
        }
        texts.retain(|text| text.len() >= LEAST_SECRET);
        // The longest first: a part that was hidden before would leave the rest of the whole to be seen.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        let windows = texts.iter().flat_map(|text| text.as_bytes().array_windows::<PART>().copied());
        // Words around white space stand in `texts` by themselves.
        let parts = windows.filter(|part| !part.iter().any(u8::is_ascii_whitespace)).collect();
        Self { secrets: texts, parts }
    }

    /// The first words of an answer, as one printable line; "" if there are none.
    pub(super) fn words(&self, body: &[u8]) -> String {
        let text: String = String::from_utf8_lossy(body).chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
        let text = self.secrets.iter().fold(text, |text, secret| text.replace(secret, HIDDEN));
        cut(self.without_parts(&text).trim(), MAX_BYTES).to_owned()
    }

    /// The text without what is left of secrets.
    fn without_parts(&self, text: &str) -> String {
        let mut hidden = vec![false; text.len()];
        for (start, part) in text.as_bytes().array_windows::<PART>().enumerate() {
            if self.parts.contains(part) {
                hidden.iter_mut().skip(start).take(PART).for_each(|hidden| *hidden = true);
            }
        }
        let mut shown = String::with_capacity(text.len());
        let mut was_hidden = false;
        for (at, c) in text.char_indices() {
            let is_hidden = hidden.iter().skip(at).take(c.len_utf8()).any(|hidden| *hidden);
            match (is_hidden, was_hidden) {
                (false, _) => shown.push(c),
                (true, false) => shown.push_str(HIDDEN),
                (true, true) => {}
            }
            was_hidden = is_hidden;
        }
        shown
    }
}

/// A query's value with its percent signs resolved.
fn decoded(value: &str) -> String {
    let spaced = value.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, HOST};
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn redaction() -> Redaction {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("Token abc123xyz")),
            (HeaderName::from_static("x-tenant"), HeaderValue::from_static("a")),
            (HOST, HeaderValue::from_static("influx:8086")),
        ]);
        Redaction::new(&headers, &[HOST], Some("db=rpc&u=bob&p=pass%20word&q=pl+us1"))
    }

    #[test]
    fn words_are_printable_short_and_hold_no_secret() {
        for (body, expected) in [
            ("", ""),
            ("  \r\n no such database \n", "no such database"),
            ("a\u{1b}[31mb\0c\u{202e}d", "a [31mb c d"),
            ("bad credentials: Token abc123xyz!", "bad credentials: ***!"),
            ("bad token abc123xyz", "bad token ***"),
            ("no host influx:8086", "no host influx:8086"),
            ("POST /write?db=rpc&u=bob&p=pass%20word&q=pl+us1", "POST /write?***"),
            ("wrong password pass word or pl us1", "wrong password *** or ***"),
        ] {
            assert_eq!(redaction().words(body.as_bytes()), expected, "{body:?}");
        }
        assert_eq!(redaction().words(b"\xff\xfe ok"), "\u{fffd}\u{fffd} ok");
        let long = "é".repeat(4_000);
        assert_eq!(redaction().words(long.as_bytes()).len(), MAX_BYTES);
        let late = format!("{}abc123xyz", "x".repeat(195));
        assert!(!redaction().words(late.as_bytes()).contains("abc"), "a secret is hidden before it is cut");
    }

    #[test]
    fn a_secret_that_was_changed_on_its_way_is_hidden_in_parts() {
        let token = HeaderValue::from_static("Token 0123456789abcdef/ghijklmnop==");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, token)]);
        let redaction = Redaction::new(&headers, &[], None);
        for (body, expected) in [
            ("0123456789abcdef\\/ghijklmnop==", "***\\***"),
            ("got 0123456789ab (cut)", "got *** (cut)"),
            ("0123456789abcdef%2Fghijklmnop%3D%3D", "***%2F***%3D%3D"),
            ("0123456", "0123456"),
            ("é0123456789é", "é***é"),
        ] {
            assert_eq!(redaction.words(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_percent_sign_that_escapes_nothing_stays() {
        for (value, expected) in [("a%20b", "a b"), ("100%", "100%"), ("%4", "%4"), ("%zz", "%zz"), ("%e2%82%ac", "€")]
        {
            assert_eq!(decoded(value), expected);
        }
    }
}
