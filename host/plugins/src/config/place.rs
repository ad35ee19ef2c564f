//! Where a destination is, read from its URL. Shown without the query, which may hold a password. Pure.

use std::fmt;
use std::path::PathBuf;

use http::HeaderValue;
use http::uri::{PathAndQuery, Uri};

use super::ConfigError;

/// What to write where a URL belongs.
const EXPECTED: &str = "write http://HOST:PORT/PATH, https://HOST/PATH, udp://HOST:PORT, file:///PATH or stdout:";

/// Where payloads go.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A POST for each payload.
    Http(Box<HttpPlace>),
    /// A datagram for each payload.
    Udp { host: String, port: u16 },
    /// Appended to a file.
    File(PathBuf),
    /// Written to the process's standard output.
    Stdout,
}

/// An HTTP server and what to ask of it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpPlace {
    pub(crate) tls: bool,
    /// A name or an address, an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The `host` header.
    pub(crate) authority: HeaderValue,
    /// The request target. Its query may hold a secret.
    pub(crate) target: PathAndQuery,
}

impl Place {
    /// Reads a URL. `key` is where it stands, for errors; they do not repeat the URL.
    pub(super) fn parse(url: &str, key: &str) -> Result<Self, ConfigError> {
        if url == "stdout:" {
            return Ok(Self::Stdout);
        }
        if let Some(path) = url.strip_prefix("file://") {
            return file(path).ok_or_else(|| {
                ConfigError::value(key, "write file:///PATH with three slashes: an absolute path, and no host")
            });
        }
        let uri: Uri = url.parse().map_err(|_| ConfigError::value(key, EXPECTED))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(ConfigError::value(key, EXPECTED));
        };
        if authority.as_str().contains('@') {
            return Err(ConfigError::value(
                key,
                "it has a user or a password in it; give them as headers = { authorization = { env = \"NAME\" } }",
            ));
        }
        let host = hottap_core::rpc::bare(authority.host()).to_owned();
        // Whether there is a colon after the host: `http://host:` and `http://host:99999` are mistakes, not defaults.
        let port = match authority.port_u16() {
            None if authority.as_str().len() > authority.host().len() => {
                return Err(ConfigError::value(key, "its port must be a number from 1 to 65535"));
            }
            Some(0) => return Err(ConfigError::value(key, "its port must be a number from 1 to 65535")),
            port => port,
        };
        if host.is_empty() {
            return Err(ConfigError::value(key, EXPECTED));
        }
        match scheme {
            "http" | "https" => {
                let tls = scheme == "https";
                if tls && !cfg!(feature = "https") {
                    return Err(ConfigError::value(
                        key,
                        "this program was built without https; build it with the feature `https` of crate hottap",
                    ));
                }
                Ok(Self::Http(Box::new(HttpPlace {
                    tls,
                    host,
                    port: port.unwrap_or(if tls { 443 } else { 80 }),
                    authority: HeaderValue::from_str(authority.as_str())
                        .map_err(|_| ConfigError::value(key, EXPECTED))?,
                    target: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
                })))
            }
            "udp" => {
                if uri.path_and_query().is_some_and(|path| !matches!(path.as_str(), "" | "/")) {
                    return Err(ConfigError::value(key, "a datagram has no path; write udp://HOST:PORT"));
                }
                let port = port.ok_or_else(|| ConfigError::value(key, "it has no port; write udp://HOST:PORT"))?;
                Ok(Self::Udp { host, port })
            }
            _ => Err(ConfigError::value(key, EXPECTED)),
        }
    }

    /// One word for what it is, as the admin API says it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Http(place) if place.tls => "https",
            Self::Http(_) => "http",
            Self::Udp { .. } => "udp",
            Self::File(_) => "file",
            Self::Stdout => "stdout",
        }
    }
}

fn file(path: &str) -> Option<Place> {
    let valid = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
    valid.then(|| Place::File(PathBuf::from(path)))
}

/// `scheme://host:port/path`, without the query.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self {
            Self::Http(place) => {
                let (host, path) = (bracketed(&place.host), place.target.path());
                write!(f, "{}://{host}:{}{path}", self.kind(), place.port)
            }
            Self::Udp { host, port } => write!(f, "udp://{}:{port}", bracketed(host)),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Stdout => f.write_str("stdout:"),
        }
    }
}

/// As [`Display`](fmt::Display): the query stays hidden.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for HttpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.port, self.target.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, shown: Result<&str, &str>) {
        match (Place::parse(url, "url"), shown) {
            (Ok(place), Ok(shown)) => {
                assert_eq!(place.to_string(), shown, "{url}");
                assert_eq!(format!("{place:?}"), shown, "{url}");
            }
            (Err(error), Err(part)) => {
                let message = error.to_string();
                assert!(message.contains(part), "{url}: {message}");
                assert!(!message.contains("s3cret"), "{url}: {message}");
            }
            (got, _) => panic!("{url}: {got:?}"),
        }
    }

    #[test]
    fn a_place_is_shown_without_its_query() {
        check("http://127.0.0.1:8086/write?db=rpc&p=s3cret", Ok("http://127.0.0.1:8086/write"));
        check("http://influx", Ok("http://influx:80/"));
        check("http://influx?p=s3cret", Ok("http://influx:80/"));
        check("http://[::1]:8086/a/b", Ok("http://[::1]:8086/a/b"));
        check("udp://statsd:8125", Ok("udp://statsd:8125"));
        check("udp://[::1]:8125", Ok("udp://[::1]:8125"));
        check("udp://statsd:8125/", Ok("udp://statsd:8125"));
        check("file:///var/log/slow calls.jsonl", Ok("file:///var/log/slow calls.jsonl"));
        check("stdout:", Ok("stdout:"));
    }

    #[test]
    #[cfg(feature = "https")]
    fn https_has_a_port_of_its_own() {
        check("https://collector/v1/traces?token=s3cret", Ok("https://collector:443/v1/traces"));
    }

    #[test]
    #[cfg(not(feature = "https"))]
    fn https_without_its_feature_is_refused_by_name() {
        check("https://collector/v1/traces", Err("feature `https`"));
    }

    #[test]
    fn what_is_no_place_is_refused_without_repeating_it() {
        for (url, part) in [
            ("", "write http://HOST"),
            ("influx:8086", "write http://HOST"),
            ("/s3cret", "write http://HOST"),
            ("ftp://host/s3cret", "write http://HOST"),
            ("http://", "write http://HOST"),
            ("http://user:s3cret@host/", "headers ="),
            ("https://s3cret@host/", "headers ="),
            ("http://host:99999/s3cret", "port"),
            ("http://host:/s3cret", "port"),
            ("http://host:0/", "port"),
            ("http://ho st/s3cret", "write http://HOST"),
            ("udp://host", "udp://HOST:PORT"),
            ("udp://host:1/path", "no path"),
            ("file://host/path", "three slashes"),
            ("file:relative", "write http://HOST"),
            ("file:///", "three slashes"),
            ("file:///directory/", "three slashes"),
            ("stdout:x", "write http://HOST"),
        ] {
            check(url, Err(part));
        }
    }
}
