//! Where a signal is sent, and how, by the variables `OTEL_EXPORTER_OTLP_*` and those of the signal alone.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::percent;
use super::variables::{ConfigError, Variables};
use hottap_core::rpc::bare;

/// How long one attempt to send may take, by the specification.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, encoded by protobuf.
    Http,
}

impl Protocol {
    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) protocol: Protocol,
    /// The variable that says where, or would.
    pub(super) variable: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// Where to, as HTTP/2 wants it; HTTP/1.1 sends the path of it.
    pub(super) uri: Uri,
    /// The operator's headers. Their values are marked as sensitive.
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    /// What is sent is compressed by gzip.
    pub(super) gzip: bool,
    /// The certificates that the collector is checked against.
    pub(super) certificate: Option<Named>,
    /// The certificate that is shown to the collector, and its private key.
    pub(super) client: Option<(Named, Named)>,
}

/// A file, and the variable that names it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) variable: String,
    pub(super) path: PathBuf,
}

impl Signal {
    fn word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }

    fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// False if this signal is not to be exported.
    pub(super) fn is_wanted(self, variables: &Variables<'_>) -> bool {
        let name = format!("OTEL_{}_EXPORTER", self.word());
        let list = variables.text(&name).unwrap_or_default().to_ascii_lowercase();
        let words = || list.split(',').map(str::trim).filter(|word| !word.is_empty());
        let is_none = words().any(|word| word == "none");
        if words().any(|word| word != if is_none { "none" } else { "otlp" }) {
            variables.ignore(ConfigError::invalid(&name, "otlp or none, as there is no other exporter here"));
        }
        !is_none
    }

    /// The variable of this signal alone, if it is set, or the one of all signals.
    fn variable(self, variables: &Variables<'_>, what: &str) -> (String, Option<String>) {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", self.word());
        if let Some(value) = variables.text(&own) {
            return (own, Some(value));
        }
        let name = format!("OTEL_EXPORTER_OTLP_{what}");
        let value = variables.text(&name);
        (name, value)
    }
}

impl Target {
    pub(super) fn read(variables: &Variables<'_>, signal: Signal) -> Result<Self, ConfigError> {
        let variable = |what| signal.variable(variables, what);
        let name = |what| variable(what).0;
        let protocols = [("http/protobuf", Protocol::Http), ("grpc", Protocol::Grpc)];
        let protocol = variables.word(&name("PROTOCOL"), "http/protobuf or grpc", &protocols).unwrap_or(Protocol::Http);
        let gzip = variables.word(&name("COMPRESSION"), "gzip or none", &[("gzip", true), ("none", false)]);
        let (headers_name, list) = variable("HEADERS");
        let headers = headers(&list.unwrap_or_default()).ok_or_else(|| {
            ConfigError::invalid(&headers_name, "a list of header=value, separated by commas, of the operator's own")
        })?;
        let certificate = Named::new(variable("CERTIFICATE")).ok();
        let client = match (Named::new(variable("CLIENT_CERTIFICATE")), Named::new(variable("CLIENT_KEY"))) {
            (Ok(certificate), Ok(key)) => Some((certificate, key)),
            (Err(_), Err(_)) => None,
            (Ok(Named { variable: set, .. }), Err(missing)) | (Err(missing), Ok(Named { variable: set, .. })) => {
                return Err(ConfigError::Unpaired { set, missing });
            }
        };
        let timeout = variables.timeout(&name("TIMEOUT"), TIMEOUT);
        let insecure = variables.flag(&name("INSECURE"));
        let (name, endpoint) = variable("ENDPOINT");
        let is_own = name != "OTEL_EXPORTER_OTLP_ENDPOINT";
        let parsed = parse(endpoint.as_deref(), protocol, insecure, signal, is_own);
        let (uri, host, port) =
            parsed.ok_or_else(|| ConfigError::invalid(&name, "an address such as http://localhost:4318"))?;
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let gzip = gzip.unwrap_or(false);
        Ok(Self { protocol, variable: name, host, port, tls, uri, headers, timeout, gzip, certificate, client })
    }
}

impl Named {
    /// The variable's name if it is not set.
    fn new((variable, path): (String, Option<String>)) -> Result<Self, String> {
        match path {
            Some(path) => Ok(Self { variable, path: path.into() }),
            None => Err(variable),
        }
    }
}

/// The whole address of a signal. A signal's own endpoint over HTTP is used as it is, that of all has the signal's path
/// after its own.
fn parse(
    endpoint: Option<&str>,
    protocol: Protocol,
    insecure: bool,
    signal: Signal,
    is_own: bool,
) -> Option<(Uri, String, u16)> {
    let default = if protocol == Protocol::Grpc { "http://localhost:4317" } else { "http://localhost:4318" };
    let endpoint = endpoint.unwrap_or(default);
    let uri: Uri = match endpoint.contains("://") {
        true => endpoint.parse().ok()?,
        // gRPC's endpoints may be a host and a port alone.
        false if protocol == Protocol::Grpc => {
            let scheme = if insecure { "http" } else { "https" };
            format!("{scheme}://{endpoint}").parse().ok()?
        }
        false => return None,
    };
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return None,
    };
    let host = uri.host().filter(|host| !host.is_empty())?;
    let host = bare(host).to_owned();
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    if authority.as_str().len() > uri.host().map_or(0, str::len) && uri.port_u16().is_none() {
        return None;
    }
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = match protocol {
        Protocol::Grpc => signal.grpc_path().to_owned(),
        Protocol::Http if is_own => uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned(),
        Protocol::Http => format!("{}{}", uri.path().trim_end_matches('/'), signal.http_path()),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Some((Uri::from_parts(parts).ok()?, host, port))
}

/// None if one of them can't be sent, or is about the connection or the message, which nobody knows before they are made.
fn headers(list: &str) -> Option<HeaderMap> {
    const OURS: [HeaderName; 6] = [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE];
    let mut headers = HeaderMap::new();
    for (name, value) in percent::pairs(list)? {
        let name = HeaderName::try_from(name).ok().filter(|name| !OURS.contains(name) && name != "grpc-encoding")?;
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::super::variables::DAY;
    use super::*;

    fn read(table: &[(&str, &str)], signal: Signal) -> Result<Target, ConfigError> {
        let find = |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Target::read(&Variables::new(&find), signal)
    }

    #[test]
    fn an_endpoint_is_what_the_variables_say() {
        const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let service = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
        for (table, expected, port, reason) in [
            (vec![], "http://localhost:4318/v1/traces", 4318, "the default"),
            (vec![(ALL, "")], "http://localhost:4318/v1/traces", 4318, "empty is not set"),
            (vec![(ALL, "http://c:1/")], "http://c:1/v1/traces", 1, "the path is added"),
            (vec![(ALL, "https://c/otlp/")], "https://c/otlp/v1/traces", 443, "after its own"),
            (vec![(ALL, "http://a"), (OWN, "http://b/x?y=1")], "http://b/x?y=1", 80, "its own, as it is"),
            (vec![(OWN, "http://b")], "http://b/", 80, "its own without a path"),
            (vec![GRPC], &format!("http://localhost:4317/{service}"), 4317, "the default of gRPC"),
            (vec![GRPC, (ALL, "http://[::1]:5/ignored")], &format!("http://[::1]:5/{service}"), 5, "gRPC has its path"),
            (vec![GRPC, (ALL, "c:4317")], &format!("https://c:4317/{service}"), 4317, "no scheme"),
            (
                vec![GRPC, (ALL, "c:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")],
                &format!("http://c:4317/{service}"),
                4317,
                "no scheme, in clear text",
            ),
        ] {
            let target = read(&table, Signal::Traces).expect(reason);
            assert_eq!((target.uri.to_string().as_str(), target.port), (expected, port), "{reason}");
            assert_eq!(target.tls, expected.starts_with("https"), "{reason}");
        }
        let metrics = read(&[(ALL, "http://c:1")], Signal::Metrics).expect("valid");
        assert_eq!(metrics.uri, "http://c:1/v1/metrics");
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named_and_its_value_is_not() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hunter2@c"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:99999"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:99999"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x y=hunter2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2,Content-Length=5"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "grpc-encoding=gzip"),
        ] {
            let error = read(&[(variable, value)], Signal::Traces).expect_err(value).to_string();
            assert!(error.contains(&format!(" {variable} ")) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn words_are_in_either_case_and_a_timeout_of_zero_is_none() {
        for (table, expected, reason) in [
            (vec![], (Protocol::Http, false, TIMEOUT), "the defaults"),
            (
                vec![
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"),
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZip"),
                    ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
                ],
                (Protocol::Grpc, true, DAY),
                "in capitals",
            ),
            (
                vec![
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
                    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "5"),
                ],
                (Protocol::Http, false, Duration::from_millis(5)),
                "the signal's own",
            ),
        ] {
            let target = read(&table, Signal::Traces).expect(reason);
            assert_eq!((target.protocol, target.gzip, target.timeout), expected, "{reason}");
        }
    }

    #[test]
    fn a_client_has_a_certificate_and_a_key_or_neither() {
        const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
        const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
        const OWN_KEY: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY";
        assert!(read(&[], Signal::Traces).expect("valid").client.is_none());
        let (certificate, key) = read(&[(CERTIFICATE, "c"), (KEY, "k"), (OWN_KEY, "own")], Signal::Traces)
            .expect("valid")
            .client
            .expect("both");
        assert_eq!((certificate.variable.as_str(), key.variable.as_str()), (CERTIFICATE, OWN_KEY));
        assert_eq!((certificate.path, key.path), ("c".into(), "own".into()));
        for (table, set, missing) in [
            (&[(CERTIFICATE, "c")][..], CERTIFICATE, KEY),
            (&[(KEY, "k")], KEY, CERTIFICATE),
            (&[(OWN_KEY, "k")], OWN_KEY, CERTIFICATE),
        ] {
            let error = read(table, Signal::Traces).expect_err("one is missing").to_string();
            assert!(error.contains(&format!(" {set} ")) && error.contains(&format!(" {missing}:")), "{error}");
        }
    }

    #[test]
    fn a_signals_own_headers_go_before_those_of_all() {
        let all = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x,a=1");
        let target = read(&[all], Signal::Traces).expect("valid");
        assert_eq!(target.headers.get("authorization").map(HeaderValue::as_bytes), Some(&b"Bearer x"[..]));
        assert!(!format!("{target:?}").contains("Bearer"), "{target:?}");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2");
        let target = read(&[all, own], Signal::Traces).expect("valid");
        assert_eq!(target.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["b"]);
    }
}
