//! What a destination is: where, as whom, for whom, and within which bounds. Pure; reads no secret.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml::{Table, Value};

use super::amount::{self, DURATION, SIZE};
use super::{ConfigError, Header, Place, check_keys};

const KEYS: &[&str] = &["url", "headers", "tracers", "queue", "max_payload", "timeout", "retry_for"];
/// Bytes of a destination's name: it is a label in metrics and a word in the log.
const MAX_NAME_BYTES: usize = 64;
/// Bytes that wait for a destination: some minutes of flushes. With less, a server's restart loses payloads; with more,
/// the traced service pays with its memory, for each destination.
const QUEUE: usize = 16 << 20;
/// Bytes of a queue at most: it is memory of the service that is traced.
const MAX_QUEUE: usize = 1 << 30;
/// Bytes of one payload. InfluxDB and collectors take a few MiB at once; more at a time only makes a retry dearer.
const MAX_PAYLOAD: usize = 1 << 20;
/// Bytes of a datagram unless the operator says otherwise: with the headers of IPv6 and UDP it fits into one Ethernet
/// frame of 1,500 bytes, with room for a tunnel's header. A larger one travels in fragments, and is lost with any of them.
const DATAGRAM: usize = 1_432;
/// Bytes of the largest datagram: 65,535 less the headers of IPv4 and UDP.
const MAX_DATAGRAM: usize = 65_507;
/// For one try, from the connection to the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// For all tries of one payload: long enough for a server's restart.
const RETRY_FOR: Duration = Duration::from_secs(300);
const MAX_RETRY_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Headers of one destination.
const MAX_HEADERS: usize = 32;
/// Tracers that one destination names.
const MAX_TRACERS: usize = 1_000;

/// One destination as the operator defined it.
#[derive(Clone, PartialEq, Eq)]
pub struct Definition {
    pub(crate) place: Place,
    /// By name; none but for HTTP.
    pub(crate) headers: Vec<Header>,
    /// Who may use it.
    pub(crate) tracers: BTreeSet<String>,
    /// Bytes that may wait.
    pub(crate) queue: usize,
    /// Bytes of one payload: never more than what the place can carry, or than the queue.
    pub(crate) max_payload: usize,
    /// For one try.
    pub(crate) timeout: Duration,
    /// For all tries of one payload, from the first.
    pub(crate) retry_for: Duration,
}

impl Definition {
    /// Reads one under a name, which is checked. See [`from_toml`](Self::from_toml).
    ///
    /// # Errors
    /// They name the key and say what to write; none repeats a value.
    pub(crate) fn named(name: &str, value: &Value, key: &str, owner: Option<&str>) -> Result<Self, ConfigError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(valid) {
            return Err(ConfigError::value(key, "a name is at most 64 letters, digits, `.`, `-` and `_`"));
        }
        Self::from_toml(value, key, owner)
    }

    /// Reads one. `key` is where it stands, such as `destinations.influx`. `owner` is the tracer whose manifest defines
    /// it: then it alone may use it, unless the manifest says otherwise.
    ///
    /// # Errors
    /// They name the key and say what to write; none repeats a value.
    pub(crate) fn from_toml(value: &Value, key: &str, owner: Option<&str>) -> Result<Self, ConfigError> {
        let at = |word: &str| format!("{key}.{word}");
        let table =
            value.as_table().ok_or_else(|| ConfigError::value(key, "write a table with `url` and `tracers`"))?;
        check_keys(table, KEYS, &at(""))?;
        let url = match table.get("url") {
            Some(Value::String(url)) => url,
            Some(_) => return Err(ConfigError::value(at("url"), "write the URL as text")),
            None => return Err(ConfigError::Missing { key: at("url"), expected: "where the payloads go" }),
        };
        let place = Place::parse(url, &at("url"))?;
        let headers = headers(table.get("headers"), &at("headers"))?;
        if !headers.is_empty() && !matches!(place, Place::Http(_)) {
            return Err(ConfigError::value(at("headers"), "only http and https have headers; leave them out"));
        }
        let tracers = match (table.get("tracers"), owner) {
            (Some(names), _) => tracers(names, &at("tracers"))?,
            (None, Some(owner)) => BTreeSet::from([owner.to_owned()]),
            (None, None) => {
                let expected = "the tracers that may use it, such as [\"influxdb\"]";
                return Err(ConfigError::Missing { key: at("tracers"), expected });
            }
        };
        let queue = size(table, "queue", &at("queue"), QUEUE, MAX_QUEUE)?;
        let (default, most) = match place {
            Place::Udp { .. } => (DATAGRAM, MAX_DATAGRAM),
            Place::Http(_) | Place::File(_) | Place::Stdout => (MAX_PAYLOAD, MAX_QUEUE),
        };
        // An operator who narrows the queue alone means the payloads too.
        let max_payload = size(table, "max_payload", &at("max_payload"), default.min(queue), MAX_QUEUE)?;
        if max_payload > queue {
            return Err(ConfigError::value(at("max_payload"), "it must not exceed `queue`, or it could never be sent"));
        }
        // A file that was written for another kind of place stays valid.
        let max_payload = max_payload.min(most);
        Ok(Self {
            place,
            headers,
            tracers,
            queue,
            max_payload,
            timeout: duration(table, "timeout", &at("timeout"), TIMEOUT, MAX_TIMEOUT)?,
            retry_for: duration(table, "retry_for", &at("retry_for"), RETRY_FOR, MAX_RETRY_FOR)?,
        })
    }
}

fn headers(value: Option<&Value>, key: &str) -> Result<Vec<Header>, ConfigError> {
    let table = match value {
        None => return Ok(Vec::new()),
        Some(Value::Table(table)) => table,
        Some(_) => return Err(ConfigError::value(key, "write a table of names and values")),
    };
    if table.len() > MAX_HEADERS {
        return Err(ConfigError::TooMany { what: "headers", found: table.len(), limit: MAX_HEADERS });
    }
    let mut headers: Vec<Header> =
        table.iter().map(|(name, value)| Header::parse(name, value, key)).collect::<Result<_, _>>()?;
    headers.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    if headers.windows(2).any(|pair| matches!(pair, [one, other] if one.name == other.name)) {
        return Err(ConfigError::value(key, "one header stands there twice; capitals make no difference"));
    }
    Ok(headers)
}

fn tracers(value: &Value, key: &str) -> Result<BTreeSet<String>, ConfigError> {
    let expected = "write a list of tracers' names, such as [\"influxdb\"]";
    let names = value.as_array().ok_or_else(|| ConfigError::value(key, expected))?;
    if names.len() > MAX_TRACERS {
        return Err(ConfigError::TooMany { what: "tracers", found: names.len(), limit: MAX_TRACERS });
    }
    names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(|| ConfigError::value(key, expected))).collect()
}

fn size(table: &Table, word: &str, key: &str, default: usize, most: usize) -> Result<usize, ConfigError> {
    let Some(value) = table.get(word) else { return Ok(default) };
    let size = amount::size(value).ok_or_else(|| ConfigError::value(key, SIZE))?;
    if size == 0 || size > most {
        return Err(ConfigError::value(key, "it must be at least 1 byte and at most 1GiB"));
    }
    Ok(size)
}

fn duration(table: &Table, word: &str, key: &str, default: Duration, most: Duration) -> Result<Duration, ConfigError> {
    let Some(value) = table.get(word) else { return Ok(default) };
    let duration = amount::duration(value).ok_or_else(|| ConfigError::value(key, DURATION))?;
    if duration.is_zero() || duration > most {
        return Err(ConfigError::value(key, "it must be at least 1ms, and a timeout at most 10min, all tries 24h"));
    }
    Ok(duration)
}

/// Everything but the secrets.
impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, headers, tracers, queue, max_payload, timeout, retry_for } = self;
        f.debug_struct("Definition")
            .field("place", place)
            .field("headers", headers)
            .field("tracers", tracers)
            .field("queue", queue)
            .field("max_payload", max_payload)
            .field("timeout", timeout)
            .field("retry_for", retry_for)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, owner: Option<&str>) -> Result<Definition, ConfigError> {
        let table: Table = text.parse().expect("TOML");
        Definition::from_toml(&Value::Table(table), "destinations.d", owner)
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        match parse(text, None) {
            Ok(definition) => panic!("{text:?} was taken: {definition:?}"),
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains(part), "{text:?}: {message}");
                assert!(!message.contains("s3cret"), "{text:?}: {message}");
                assert!(!format!("{error:?}").contains("s3cret"), "{text:?}: {error:?}");
            }
        }
    }

    #[test]
    fn a_definition_needs_a_url_and_tracers_and_has_defaults_for_the_rest() {
        let definition = parse("url = \"stdout:\"\ntracers = [\"a\", \"b\"]", None).expect("valid");
        assert_eq!(definition.place, Place::Stdout);
        assert_eq!(definition.tracers, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert_eq!((definition.queue, definition.max_payload), (16 << 20, 1 << 20));
        assert_eq!((definition.timeout.as_secs(), definition.retry_for.as_secs()), (10, 300));
        refused("tracers = []", "needs `destinations.d.url`");
        refused("url = \"stdout:\"", "needs `destinations.d.tracers`");
    }

    #[test]
    fn a_manifests_definition_is_for_its_own_tracer() {
        let own = parse("url = \"stdout:\"", Some("audit")).expect("valid");
        assert_eq!(own.tracers, BTreeSet::from(["audit".to_owned()]));
        let shared = parse("url = \"stdout:\"\ntracers = [\"other\"]", Some("audit")).expect("valid");
        assert_eq!(shared.tracers, BTreeSet::from(["other".to_owned()]));
    }

    #[test]
    fn every_key_is_taken() {
        let definition = parse(
            r#"
                url = "http://host/write?p=s3cret"
                tracers = ["a"]
                queue = "1MiB"
                max_payload = 1000
                timeout = "500ms"
                retry_for = "1min"
                [headers]
                X-Text = "s3cret"
                authorization = { env = "TOKEN", prefix = "Token " }
                x-file = { file = "/run/secret" }
            "#,
            None,
        )
        .expect("valid");
        assert_eq!((definition.queue, definition.max_payload), (1 << 20, 1000));
        assert_eq!((definition.timeout.as_millis(), definition.retry_for.as_secs()), (500, 60));
        let debug = format!("{definition:#?} {definition:?}");
        assert!(debug.contains("TOKEN") && debug.contains("/run/secret") && debug.contains("x-text"), "{debug}");
        assert!(!debug.contains("s3cret"), "{debug}");
    }

    #[test]
    fn a_narrow_queue_narrows_its_payloads() {
        let definition = parse("url = \"stdout:\"\ntracers = []\nqueue = \"10KiB\"", None).expect("valid");
        assert_eq!(definition.max_payload, 10 << 10);
        refused("url = \"stdout:\"\ntracers = []\nqueue = 10\nmax_payload = 11", "max_payload");
    }

    #[test]
    fn a_payload_is_never_larger_than_what_its_place_carries() {
        for (url, more, expected, reason) in [
            ("stdout:", "", 1 << 20, "the default"),
            ("file:///var/log/x", "", 1 << 20, "the default"),
            ("http://h/", "", 1 << 20, "the default"),
            ("http://h/", "max_payload = \"2MiB\"", 2 << 20, "as the operator says"),
            ("udp://h:1", "", 1_432, "one frame"),
            ("udp://h:1", "max_payload = \"512B\"", 512, "as the operator says"),
            ("udp://h:1", "max_payload = 9000", 9_000, "as the operator says"),
            ("udp://h:1", "max_payload = \"1MiB\"", 65_507, "no datagram is larger"),
            ("udp://h:1", "queue = 1000", 1_000, "never more than the queue"),
        ] {
            let definition = parse(&format!("url = {url:?}\ntracers = []\n{more}"), None).expect("valid");
            assert_eq!(definition.max_payload, expected, "{url} {more}: {reason}");
        }
    }

    #[test]
    fn what_a_destination_cannot_be_is_refused_by_its_key_without_its_value() {
        let with = |line: &str| format!("url = \"http://h/\"\ntracers = [\"a\"]\n{line}");
        for (line, part) in [
            ("header = {}", "unknown key `destinations.d.header`; did you mean `destinations.d.headers`?"),
            ("headers = \"s3cret\"", "`destinations.d.headers`"),
            ("headers = { authorization = 5 }", "`destinations.d.headers.authorization`"),
            ("headers = { authorization = \"s3cret\\n\" }", "one line"),
            (
                "headers = { authorization = { env = \"A\", file = \"s3cret\" } }",
                "`destinations.d.headers.authorization`",
            ),
            ("headers = { authorization = { } }", "{ env = \"NAME\" }"),
            ("headers = { authorization = { env = 3 } }", "authorization.env`"),
            (
                "headers = { authorization = { evn = \"s3cret\" } }",
                "did you mean `destinations.d.headers.authorization.env`?",
            ),
            ("headers = { \"white space\" = \"s3cret\" }", "no name of a header"),
            ("headers = { Content-Length = \"3\" }", "transport itself"),
            ("headers = { transfer-encoding = \"chunked\" }", "transport itself"),
            ("headers = { a = \"1\", A = \"2\" }", "twice"),
            ("queue = \"s3cret\"", "`destinations.d.queue`"),
            ("queue = 0", "at least 1 byte"),
            ("queue = \"2GiB\"", "at most 1GiB"),
            ("timeout = 10", "\"10s\""),
            ("timeout = \"0s\"", "at least 1ms"),
            ("retry_for = \"25h\"", "24h"),
        ] {
            refused(&with(line), part);
        }
        refused("url = 5\ntracers = []", "`destinations.d.url`");
        refused("url = \"stdout:\"\ntracers = \"s3cret\"", "list of tracers");
        refused("url = \"stdout:\"\ntracers = [1]", "list of tracers");
        refused("url = \"udp://h:1\"\ntracers = []\nheaders = { a = \"s3cret\" }", "only http");
        let found = Definition::from_toml(&Value::from("s3cret"), "destinations.d", None).expect_err("no table");
        assert!(!found.to_string().contains("s3cret"));
    }
}
