//! The methods of HTTP that may stand in names; what is not among them is `_OTHER`, so that callers can't make names up.

use std::sync::LazyLock;

use http::Method;

/// The variable by which instrumentations of OpenTelemetry are told which methods are known, in place of the standard ones.
const VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

/// The most methods that are taken from it, and the longest. They are kept for good; fewer would be too few for WebDAV with
/// all its extensions, which has some forty.
const MAX_METHODS: usize = 64;
const MAX_BYTES: usize = 32;

/// What the environment says when the first call of plain HTTP comes.
static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::parse(&std::env::var(VARIABLE).unwrap_or_default()));

enum Known {
    /// RFC 9110's, PATCH and QUERY.
    Standard,
    These(Vec<&'static str>),
}

/// The method as it may stand in a name.
#[inline]
pub fn method(method: &Method) -> &'static str {
    KNOWN.name(method)
}

impl Known {
    /// Reads a list such as `GET,POST,PROPFIND`. What is no method is left out; a list without one says nothing.
    fn parse(list: &str) -> Self {
        if list.trim().is_empty() {
            return Self::Standard;
        }
        let words = list.split(',').map(str::trim).filter(|word| word.len() <= MAX_BYTES);
        let methods = words.filter_map(|word| Method::from_bytes(word.as_bytes()).ok());
        let kept = methods.take(MAX_METHODS).map(|method| match standard(&method) {
            OTHER => &*method.as_str().to_owned().leak(),
            standard => standard,
        });
        let kept: Vec<_> = kept.collect();
        if kept.is_empty() {
            tracing::warn!("{VARIABLE} names no method; it is a list such as GET,POST,PROPFIND. It is not heeded");
            return Self::Standard;
        }
        Self::These(kept)
    }

    #[inline]
    fn name(&self, method: &Method) -> &'static str {
        match self {
            Self::Standard => standard(method),
            Self::These(known) => known.iter().find(|known| **known == method.as_str()).copied().unwrap_or(OTHER),
        }
    }
}

const OTHER: &str = "_OTHER";

#[inline]
fn standard(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ if method.as_str() == "QUERY" => "QUERY",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(known: &Known, text: &str, expected: &str) {
        let method = Method::from_bytes(text.as_bytes()).expect("a token");
        assert_eq!(known.name(&method), expected, "{text}");
    }

    #[test]
    fn a_method_that_no_standard_knows_is_other() {
        for (text, expected) in [("GET", "GET"), ("QUERY", "QUERY"), ("get", "_OTHER"), ("X-RANDOM-17", "_OTHER")] {
            check(&Known::Standard, text, expected);
        }
    }

    #[test]
    fn the_operators_methods_take_the_place_of_the_standard_ones() {
        let list = format!(" GET, PROPFIND,,no method,{}", "X".repeat(MAX_BYTES + 1));
        let known = Known::parse(&list);
        for (text, expected) in [("GET", "GET"), ("PROPFIND", "PROPFIND"), ("POST", "_OTHER"), ("propfind", "_OTHER")] {
            check(&known, text, expected);
        }
        check(&known, &"X".repeat(MAX_BYTES + 1), "_OTHER");
        for nothing in ["", "  ", ",", "GET;POST"] {
            check(&Known::parse(nothing), "POST", "POST");
        }
        let many: Vec<String> = (0..MAX_METHODS + 1).map(|number| format!("M{number}")).collect();
        check(&Known::parse(&many.join(",")), &format!("M{}", MAX_METHODS - 1), &format!("M{}", MAX_METHODS - 1));
        check(&Known::parse(&many.join(",")), &format!("M{MAX_METHODS}"), "_OTHER");
    }
}
