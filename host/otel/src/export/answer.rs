//! What a collector's answer says: taken, refused for good, or to be tried again. Anything may answer.

use std::time::{Duration, SystemTime};

use bytes::Buf;
use http::header;

use super::details::retry_delay;
use super::target::{Protocol, Signal};
use hottap_core::layer::grpc_message;
use hottap_core::rpc::cut;
use hottap_io::dial::{Answer, Encoding, PartialSuccess, media_type, retry_after};

/// How long a collector may make us wait.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Bytes of a collector's own words that are kept.
const MAX_REASON_BYTES: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Taken, all but so many; what the collector says of it, which is nothing as a rule.
    Taken { rejected: u64, words: String },
    /// Later perhaps; after this time, if it said so.
    Later { reason: String, after: Option<Duration> },
    /// Never.
    Never { reason: String },
}

impl Verdict {
    pub(super) fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }

    pub(super) fn never(reason: impl Into<String>) -> Self {
        Self::Never { reason: reason.into() }
    }
}

/// `now` is when it came: a collector may name a point in time.
pub(super) fn weigh(protocol: Protocol, signal: Signal, answer: &Answer, now: SystemTime) -> Verdict {
    match protocol {
        Protocol::Http => http(signal, answer, now),
        Protocol::Grpc => grpc(signal, answer),
    }
}

fn http(signal: Signal, answer: &Answer, now: SystemTime) -> Verdict {
    match answer.status.as_u16() {
        200..=299 => taken_over_http(signal, answer),
        429 | 502 | 503 | 504 => {
            let wish = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = wish.and_then(|wish| retry_after(wish, now)).map(|after| after.min(MAX_WAIT));
            Verdict::Later { reason: format!("it answers {}", answer.status), after }
        }
        300..=399 => {
            Verdict::never(format!("it answers {}: redirects are not followed, name where it is", answer.status))
        }
        401 | 403 => Verdict::never(format!("it answers {}: look at the headers that are sent", answer.status)),
        _ => Verdict::never(format!("it answers {}: look at the endpoint and its path", answer.status)),
    }
}

fn grpc(signal: Signal, answer: &Answer) -> Verdict {
    // What is said without a message is said in the headers.
    let find = |name| answer.trailers.get(name).or_else(|| answer.headers.get(name));
    let status = find("grpc-status").and_then(|value| value.to_str().ok()?.parse::<u16>().ok());
    let delay = find("grpc-status-details-bin").and_then(retry_delay);
    match (answer.status.as_u16(), status) {
        (200, Some(0)) => {
            // One message: a byte that says whether it is compressed, which was not asked for, and its length.
            let mut body = answer.body.clone();
            let prefix = body.try_get_u8().ok().zip(body.try_get_u32().ok());
            match prefix {
                Some((0, length)) if body.len() == length as usize => taken(signal, Encoding::Protobuf, &body),
                _ => no_collector(),
            }
        }
        // What gRPC's statuses OTLP says to try again with. RESOURCE_EXHAUSTED is one only where the collector says that it
        // will recover: else the message is too large for it, and always will be.
        (200, Some(code @ (1 | 4 | 8 | 10 | 11 | 14 | 15))) if code != 8 || delay.is_some() => {
            let after = delay.filter(|delay| !delay.is_zero()).map(|delay| delay.min(MAX_WAIT));
            Verdict::Later { reason: refusal(code, answer), after }
        }
        (200, Some(code)) => Verdict::never(refusal(code, answer)),
        (429 | 502 | 503 | 504, None) => Verdict::later(format!("it answers {}", answer.status)),
        _ => no_collector(),
    }
}

/// A status of gRPC's, and the collector's own words for it.
fn refusal(code: u16, answer: &Answer) -> String {
    let words = [&answer.trailers, &answer.headers].map(grpc_message);
    match words.iter().find(|words| !words.is_empty()) {
        Some(words) => format!("it answers with gRPC's status {code}: {:?}", cut(words, MAX_REASON_BYTES)),
        None => format!("it answers with gRPC's status {code}"),
    }
}

/// A success over HTTP, by the type of what it says.
///
/// Not every collector answers in the encoding that it was sent. What comes in JSON is read; what comes in another type is
/// taken at its status. A page of HTML is what servers answer with that know no collector's path.
fn taken_over_http(signal: Signal, answer: &Answer) -> Verdict {
    let media = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media_type(media);
    if answer.body.is_empty() {
        return Verdict::Taken { rejected: 0, words: String::new() };
    }
    let encoding = if media.is_empty() { Some(Encoding::Protobuf) } else { Encoding::of(media) };
    match encoding {
        Some(encoding) => taken(signal, encoding, &answer.body),
        None if media.eq_ignore_ascii_case("text/html") => no_collector(),
        None => Verdict::Taken { rejected: 0, words: String::new() },
    }
}

/// The answer's message, which says how much was refused, and why.
fn taken(signal: Signal, encoding: Encoding, body: &[u8]) -> Verdict {
    let counter = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
    };
    let Some(PartialSuccess { rejected, words }) = PartialSuccess::read(encoding, counter, body) else {
        return no_collector();
    };
    Verdict::Taken { rejected, words: cut(&words, MAX_REASON_BYTES).to_owned() }
}

fn no_collector() -> Verdict {
    Verdict::never("what answers there is no collector: look at the endpoint and its protocol")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)));
        let (status, body) = (StatusCode::from_u16(status).expect("a status"), Bytes::copy_from_slice(body));
        Answer { status, headers: headers.collect(), body, trailers: HeaderMap::new() }
    }

    fn partial() -> Vec<u8> {
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    }

    fn kind(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Taken { rejected: 0, .. } => "taken",
            Verdict::Taken { .. } => "partly",
            Verdict::Later { .. } => "later",
            Verdict::Never { .. } => "never",
        }
    }

    #[test]
    fn an_answer_over_http_is_weighed() {
        for (status, body, expected, reason) in [
            (200, &b""[..], "taken", "an empty message"),
            (202, &partial(), "partly", "some were refused"),
            (200, b"<html>hello</html>", "never", "somebody's page"),
            (400, b"", "never", "it can't be read"),
            (401, b"", "never", "who are you"),
            (404, b"", "never", "another path"),
            (301, b"", "never", "nobody follows"),
            (429, b"", "later", "too much"),
            (503, b"", "later", "not now"),
            (500, b"", "never", "the specification says so"),
        ] {
            let verdict = weigh(Protocol::Http, Signal::Traces, &answer(status, &[], body), SystemTime::UNIX_EPOCH);
            assert_eq!(kind(&verdict), expected, "{status}: {reason}");
        }
    }

    #[test]
    fn a_success_is_read_by_its_type() {
        let some = |rejected, words: &str| Verdict::Taken { rejected, words: words.to_owned() };
        let never = no_collector;
        for (signal, media, body, expected, reason) in [
            (Signal::Traces, "application/json", "{}", some(0, ""), "all of it, in JSON"),
            (Signal::Traces, "application/json", "", some(0, ""), "nothing"),
            (
                Signal::Traces,
                "Application/JSON; charset=utf-8",
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#,
                some(3, "too old"),
                "a text for a number",
            ),
            (
                Signal::Metrics,
                "application/json",
                r#"{"partialSuccess":{"rejectedDataPoints":2}}"#,
                some(2, ""),
                "a number",
            ),
            (
                Signal::Metrics,
                "application/json",
                r#"{"partialSuccess":{"rejectedSpans":2}}"#,
                some(0, ""),
                "of others",
            ),
            (
                Signal::Traces,
                "application/json",
                r#"{"partialSuccess":{"rejectedSpans":-3}}"#,
                some(0, ""),
                "less than none",
            ),
            (Signal::Traces, "application/json", r#"{"partialSuccess":{}}"#, some(0, ""), "as if it was not set"),
            (
                Signal::Traces,
                "application/json",
                r#"{"partialSuccess":{"errorMessage":"old names"}}"#,
                some(0, "old names"),
                "a warning",
            ),
            (Signal::Traces, "application/json", "[1]", never(), "no message"),
            (Signal::Traces, "application/json", "{", never(), "cut off"),
            (Signal::Traces, "text/plain", "OK", some(0, ""), "the status says it all"),
            (Signal::Traces, "text/html; charset=utf-8", "<html>", never(), "a page"),
            (Signal::Traces, "application/x-protobuf", "<html>", never(), "not what it says"),
            (Signal::Traces, "", "<html>", never(), "a page"),
        ] {
            let headers: &[_] = if media.is_empty() { &[] } else { &[("content-type", media)] };
            let verdict = weigh(Protocol::Http, signal, &answer(200, headers, body.as_bytes()), SystemTime::UNIX_EPOCH);
            assert_eq!(verdict, expected, "{reason}: {media} {body}");
        }
        let long = format!(r#"{{"partialSuccess":{{"errorMessage":"{}"}}}}"#, "x".repeat(10_000));
        let verdict = weigh(
            Protocol::Http,
            Signal::Traces,
            &answer(200, &[("content-type", "application/json")], long.as_bytes()),
            SystemTime::UNIX_EPOCH,
        );
        assert_eq!(verdict, some(0, &"x".repeat(MAX_REASON_BYTES)));
    }

    #[test]
    fn a_collector_says_when_to_come_again() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let second = Duration::from_secs;
        for (value, expected, reason) in [
            ("2", Some(second(2)), "seconds"),
            ("0", Some(second(0)), "at once"),
            ("86400", Some(MAX_WAIT), "no longer than that"),
            ("Sun, 06 Nov 1994 08:49:42 GMT", Some(second(5)), "a date"),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(second(0)), "one that is over"),
            ("Sat, 06 Nov 2094 08:49:00 GMT", Some(MAX_WAIT), "one in a hundred years"),
            ("Sunday, 06-Nov-94 08:49:42 GMT", Some(second(5)), "as it was written once"),
            ("-1", None, "no number of seconds"),
            ("soon", None, "no date"),
            ("", None, "nothing"),
        ] {
            let after = match weigh(Protocol::Http, Signal::Traces, &answer(503, &[("retry-after", value)], b""), now) {
                Verdict::Later { after, .. } => after,
                _ => panic!("{reason}"),
            };
            assert_eq!(after, expected, "{reason}: {value:?}");
        }
    }

    #[test]
    fn an_answer_over_grpc_is_weighed() {
        let framed = |message: &[u8]| {
            let mut body = vec![0];
            body.extend_from_slice(&(message.len() as u32).to_be_bytes());
            body.extend_from_slice(message);
            body
        };
        for (http, status, body, expected, reason) in [
            (200, Some("0"), framed(b""), "taken", "an empty message"),
            (200, Some("0"), framed(&partial()), "partly", "some were refused"),
            (200, Some("0"), b"\0\0\0\0\x09x".to_vec(), "never", "cut off"),
            (200, Some("0"), b"\x01\0\0\0\0".to_vec(), "never", "compressed, though nobody asked for it"),
            (200, Some("14"), vec![], "later", "unavailable"),
            (200, Some("8"), vec![], "never", "too large, as nothing else is said"),
            (200, Some("16"), vec![], "never", "unauthenticated"),
            (200, Some("12"), vec![], "never", "unimplemented"),
            (200, None, b"hello".to_vec(), "never", "no status"),
            (200, Some("x"), vec![], "never", "no number"),
            (503, None, vec![], "later", "a proxy's answer"),
            (404, None, vec![], "never", "no collector"),
        ] {
            let mut answer = answer(http, &[], &body);
            if let Some(status) = status {
                answer.trailers.insert("grpc-status", status.parse().expect("ASCII"));
            }
            assert_eq!(
                kind(&weigh(Protocol::Grpc, Signal::Traces, &answer, SystemTime::UNIX_EPOCH)),
                expected,
                "{status:?}: {reason}"
            );
        }
    }

    #[test]
    fn a_collectors_own_words_are_told_within_bounds() {
        let long = "x".repeat(10_000);
        for (words, expected) in [("no%20such token", "no such token"), (&long, &long[..MAX_REASON_BYTES])] {
            let mut answer = answer(200, &[], b"");
            answer.trailers.insert("grpc-status", "16".parse().expect("ASCII"));
            answer.trailers.insert("grpc-message", words.parse().expect("ASCII"));
            let verdict = weigh(Protocol::Grpc, Signal::Traces, &answer, SystemTime::UNIX_EPOCH);
            assert_eq!(verdict, Verdict::never(format!("it answers with gRPC's status 16: {expected:?}")));
        }
    }

    #[test]
    fn a_collector_that_has_no_room_says_when_it_has() {
        // A RetryInfo of a second and a half, and one without a time.
        let info = "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ";
        let untimed = "CAgaKgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbw";
        for (status, details, expected, reason) in [
            ("8", info, Some(Some(Duration::from_millis(1_500))), "it will have room"),
            ("8", untimed, Some(None), "some time"),
            ("8", "nonsense", None, "nothing is said"),
            ("14", info, Some(Some(Duration::from_millis(1_500))), "it is throttled"),
            ("14", "nonsense", Some(None), "tried again all the same"),
            ("3", info, None, "a message that can't be read gets no better"),
        ] {
            for in_trailers in [true, false] {
                let mut answer = answer(200, &[], b"");
                let said = if in_trailers { &mut answer.trailers } else { &mut answer.headers };
                said.insert("grpc-status", status.parse().expect("ASCII"));
                said.insert("grpc-status-details-bin", details.parse().expect("ASCII"));
                let after = match weigh(Protocol::Grpc, Signal::Traces, &answer, SystemTime::UNIX_EPOCH) {
                    Verdict::Later { after, .. } => Some(after),
                    _ => None,
                };
                assert_eq!(after, expected, "{reason}");
            }
        }
    }
}
