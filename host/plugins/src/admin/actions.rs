//! The actions of the admin API: which path is one, and whether a request may have it done. Pure; reads only the head of
//! a request.
//!
//! Three dangers, three checks. A page in an operator's browser that sends requests to the admin port: refused by
//! `Origin` and `Sec-Fetch-Site`. A page whose name was made to resolve to this machine (DNS rebinding): its `Host` is no
//! loopback name. Other machines, and other users' requests through a proxy on this one: they need the token.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Request, Uri};
use sha2::{Digest, Sha256};

/// The things that operators can have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A tracer gets no more calls until it is resumed; what it has is worked off.
    Pause,
    /// The end of [`Pause`](Self::Pause).
    Resume,
    /// A tracer is unloaded until it is enabled.
    Disable,
    /// The end of [`Disable`](Self::Disable).
    Enable,
    /// A tracer's files are loaded again, whatever is known of them.
    Reload,
    /// The generation before goes live again.
    Rollback,
    /// The kill switch: nothing is traced until [`ResumeAll`](Self::ResumeAll).
    PauseAll,
    ResumeAll,
}

impl Verb {
    pub(crate) const ALL: [Self; 8] = [
        Self::Pause,
        Self::Resume,
        Self::Disable,
        Self::Enable,
        Self::Reload,
        Self::Rollback,
        Self::PauseAll,
        Self::ResumeAll,
    ];
    /// Those that concern one tracer.
    const OF_ONE: [Self; 6] = [Self::Pause, Self::Resume, Self::Disable, Self::Enable, Self::Reload, Self::Rollback];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Reload => "reload",
            Self::Rollback => "rollback",
            Self::PauseAll => "pause-all",
            Self::ResumeAll => "resume-all",
        }
    }
}

/// One action: what is to be done, and to which tracer if it concerns one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub(crate) verb: Verb,
    /// As it stands in the path; none for the actions that concern all.
    pub(crate) tracer: Option<String>,
}

impl Command {
    /// The action that a path names. Names of tracers need no escapes in a path, so none are decoded.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/api/pause" => return Some(Self { verb: Verb::PauseAll, tracer: None }),
            "/api/resume" => return Some(Self { verb: Verb::ResumeAll, tracer: None }),
            _ => {}
        }
        let (tracer, verb) = path.strip_prefix("/api/tracers/")?.split_once('/')?;
        let verb = Verb::OF_ONE.into_iter().find(|known| known.as_str() == verb)?;
        (!tracer.is_empty()).then(|| Self { verb, tracer: Some(tracer.to_owned()) })
    }
}

/// The operator's token for actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// None is configured: peers on this machine may act, over the admin port.
    None,
    /// One is configured and cannot be read: no request may act.
    Unreadable,
    Is(HeaderValue),
}

/// The proof by which a request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Token,
    /// The peer is on this machine.
    Loopback,
}

impl Proof {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Loopback => "loopback",
        }
    }
}

/// The origin of an action, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// None where the service is mounted in a router: that does not tell.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) proof: Proof,
}

/// The reason for not carrying an action out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    #[error("the request comes from a page of another origin")]
    Origin,
    #[error("actions are off: {0}")]
    Off(String),
    #[error("the host in the request is no name of this machine's loopback, and no token is configured")]
    Host,
    #[error("the request came through a proxy, and no token is configured")]
    Proxy,
    #[error("the request does not come from this machine over the admin port, and no token is configured")]
    Remote,
    #[error("the token that is configured cannot be read; the log of the service says why")]
    Unreadable,
    #[error("a token is needed")]
    Missing,
    #[error("the token is wrong")]
    Wrong,
}

impl Denial {
    pub(super) fn what_to_do(&self) -> &'static str {
        match self {
            Self::Origin => "send the request from no page, such as by curl",
            Self::Off(_) => "write actions = true under [admin] in hottap.toml, which takes effect at once",
            Self::Host => {
                "ask for 127.0.0.1 or localhost, or write token = { env = \"NAME\" } under [admin] in hottap.toml"
            }
            Self::Proxy | Self::Remote => {
                "write token = { env = \"NAME\" } or { file = \"/path\" } under [admin] in hottap.toml, and send it"
            }
            Self::Unreadable => "put the token where `token` under [admin] in hottap.toml says",
            Self::Missing | Self::Wrong => "send the header `authorization: Bearer TOKEN`",
        }
    }

    /// Returns true if a token would have helped.
    pub(super) fn asks_for_a_token(&self) -> bool {
        matches!(self, Self::Missing | Self::Wrong)
    }
}

/// Headers that only proxies add: the peer is then the proxy, and says nothing of where the request comes from.
const PROXIES: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Decides whether a request may have an action done. `off` is the reason if actions are off. `token` is asked last: it
/// may read a file.
pub(super) fn admit<B>(
    head: &Request<B>,
    peer: Option<SocketAddr>,
    off: Option<String>,
    token: impl FnOnce() -> Token,
) -> Result<By, Denial> {
    let headers = head.headers();
    if is_foreign(headers, head.uri()) {
        return Err(Denial::Origin);
    }
    if let Some(off) = off {
        return Err(Denial::Off(off));
    }
    match token() {
        Token::Is(token) => match presented(headers) {
            None => Err(Denial::Missing),
            Some(presented) if is_same(presented, token.as_bytes()) => Ok(By { peer, proof: Proof::Token }),
            Some(_) => Err(Denial::Wrong),
        },
        Token::Unreadable => Err(Denial::Unreadable),
        Token::None if !peer.is_some_and(|peer| is_loopback(peer.ip())) => Err(Denial::Remote),
        Token::None if PROXIES.iter().any(|name| headers.contains_key(*name)) => Err(Denial::Proxy),
        Token::None if !asks_loopback(headers, head.uri()) => Err(Denial::Host),
        Token::None => Ok(By { peer, proof: Proof::Loopback }),
    }
}

/// Returns true for a request that a browser sent for a page that the same host and port did not serve.
fn is_foreign(headers: &HeaderMap, uri: &Uri) -> bool {
    let is_ours = |value: &HeaderValue| matches!(value.as_bytes(), b"same-origin" | b"none");
    if !headers.get_all(SEC_FETCH_SITE).iter().all(is_ours) {
        return true;
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let hosts = hosts(headers, uri);
    let is_own = |origin: &HeaderValue| {
        let (scheme, authority) = origin.to_str().ok()?.split_once("://")?;
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let origin = place(authority, port)?;
        let is_own = !hosts.is_empty() && hosts.iter().all(|host| place(host, port).as_ref() == Some(&origin));
        is_own.then_some(())
    };
    origins.next().is_some() || is_own(origin).is_none()
}

/// The hosts that a request names: in its target (HTTP/2, and HTTP/1.1 towards a proxy) and in its headers.
fn hosts<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Vec<&'r str> {
    let named = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or(""));
    uri.authority().map(|authority| authority.as_str()).into_iter().chain(named).collect()
}

/// Returns true if every host that a request names is a name of this machine's loopback, and it names one.
fn asks_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let hosts = hosts(headers, uri);
    !hosts.is_empty() && hosts.iter().all(|host| place(host, 0).is_some_and(|(host, _)| is_loopback_name(&host)))
}

/// Host, in lower case and with an IPv6 address's brackets, and port. None if it is neither.
fn place(authority: &str, default_port: u16) -> Option<(String, u16)> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => default_port,
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
        _ => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[:]".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_plain)).then(|| (host.to_ascii_lowercase(), port))
}

fn is_loopback_name(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|address| is_loopback(address.into())),
        None => host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|address| is_loopback(address.into())),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The bearer token that a request has. Two headers are none: it could not be said which one counts.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// Compares in a time that tells nothing of where two texts differ: digests of them are compared, each byte of them.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    black_box(one.iter().zip(other.iter()).fold(0, |differing, (one, other)| black_box(differing | (one ^ other)))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_actions() {
        for (path, expected) in [
            ("/api/pause", Some((Verb::PauseAll, None))),
            ("/api/resume", Some((Verb::ResumeAll, None))),
            ("/api/tracers/red-metrics/pause", Some((Verb::Pause, Some("red-metrics")))),
            ("/api/tracers/a/resume", Some((Verb::Resume, Some("a")))),
            ("/api/tracers/a/disable", Some((Verb::Disable, Some("a")))),
            ("/api/tracers/a/enable", Some((Verb::Enable, Some("a")))),
            ("/api/tracers/a/reload", Some((Verb::Reload, Some("a")))),
            ("/api/tracers/a/rollback", Some((Verb::Rollback, Some("a")))),
            ("/api/tracers/pause/pause", Some((Verb::Pause, Some("pause")))),
            // Whatever it is, it names no tracer, and the supervisor says so.
            ("/api/tracers/../pause", Some((Verb::Pause, Some("..")))),
            ("/api/tracers/%61/pause", Some((Verb::Pause, Some("%61")))),
            ("/api/tracers/ä\u{202e}/pause", Some((Verb::Pause, Some("ä\u{202e}")))),
            ("/api/tracers//pause", None),
            ("/api/tracers/pause", None),
            ("/api/tracers/a/b/pause", None),
            ("/api/tracers/a/pause/", None),
            ("/api/tracers/a/Pause", None),
            ("/api/tracers/a/pause-all", None),
            ("/api/tracers/a/pause%00", None),
            ("/api/tracers/a/dead", None),
            ("/api/pause/", None),
            ("//api/pause", None),
            ("/api/disable", None),
            ("/", None),
            ("", None),
        ] {
            let expected = expected.map(|(verb, tracer)| Command { verb, tracer: tracer.map(str::to_owned) });
            assert_eq!(Command::at(path), expected, "{path}");
        }
    }

    const LOCAL: &str = "127.0.0.1:50000";
    const REMOTE: &str = "192.0.2.7:50000";

    /// Lets a request through by a proof, or refuses it.
    #[track_caller]
    fn check(
        (peer, token): (Option<&str>, Token),
        (uri, headers): (&str, &[(&str, &str)]),
        expected: Result<Proof, Denial>,
    ) {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let request = request.body(()).expect("a request");
        let peer = peer.map(|peer| peer.parse().expect("an address"));
        let admitted = admit(&request, peer, None, || token.clone()).map(|by| by.proof);
        assert_eq!(admitted, expected, "{peer:?} {token:?} {uri} {headers:?}");
    }

    #[test]
    fn without_a_token_only_this_machine_may_act_and_only_by_its_own_names() {
        let host = |host: &'static str| [("host", host)];
        for name in [
            "localhost",
            "localhost:9600",
            "LocalHost:9600",
            "127.0.0.1",
            "127.0.0.1:9600",
            "127.255.3.4:1",
            "[::1]",
            "[::1]:9600",
            "[0:0::1]:9600",
            "[::ffff:127.0.0.1]:9600",
        ] {
            check((Some(LOCAL), Token::None), ("/api/pause", &host(name)), Ok(Proof::Loopback));
            check((Some("[::1]:5"), Token::None), ("/api/pause", &host(name)), Ok(Proof::Loopback));
            check((Some("[::ffff:127.0.0.1]:5"), Token::None), ("/api/pause", &host(name)), Ok(Proof::Loopback));
            check((Some(REMOTE), Token::None), ("/api/pause", &host(name)), Err(Denial::Remote));
            check((None, Token::None), ("/api/pause", &host(name)), Err(Denial::Remote));
        }
        for name in [
            "",
            "evil.example",
            "evil.example:9600",
            "localhost.evil.example",
            "evil.localhost",
            "localhost.",
            "localhost:",
            "localhost:99999",
            "localhost:9600:9600",
            "localhost:+80",
            "localhost/",
            "localhost,evil.example",
            "localhost evil.example",
            "user@localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0.0.0.0:9600",
            "192.0.2.7",
            "::1",
            "[::1",
            "[::1]x",
            "[::]",
            "[fe80::1%25lo]",
            "löcalhost",
        ] {
            check((Some(LOCAL), Token::None), ("/api/pause", &host(name)), Err(Denial::Host));
        }
        check((Some(LOCAL), Token::None), ("/api/pause", &[]), Err(Denial::Host));
        let two = [("host", "localhost"), ("host", "evil.example")];
        check((Some(LOCAL), Token::None), ("/api/pause", &two), Err(Denial::Host));
        check((Some(LOCAL), Token::None), ("http://evil.example/api/pause", &two[..1]), Err(Denial::Host));
        check((Some(LOCAL), Token::None), ("http://localhost/api/pause", &two[1..]), Err(Denial::Host));
        check((Some(LOCAL), Token::None), ("http://localhost/api/pause", &[]), Ok(Proof::Loopback));
    }

    #[test]
    fn what_came_through_a_proxy_on_this_machine_is_not_from_this_machine() {
        for name in PROXIES {
            let headers = [("host", "localhost"), (name, "127.0.0.1")];
            check((Some(LOCAL), Token::None), ("/api/pause", &headers), Err(Denial::Proxy));
        }
    }

    #[test]
    fn with_a_token_it_alone_counts() {
        let token = || Token::Is(HeaderValue::from_static("s3cret"));
        for (peer, host) in [(Some(LOCAL), "localhost"), (Some(REMOTE), "shop.internal:9600"), (None, "shop.internal")]
        {
            for (authorization, expected) in [
                ("Bearer s3cret", Ok(Proof::Token)),
                ("bearer s3cret", Ok(Proof::Token)),
                ("BEARER   s3cret", Ok(Proof::Token)),
                ("Bearer s3cre", Err(Denial::Wrong)),
                ("Bearer s3crets", Err(Denial::Wrong)),
                ("Bearer S3CRET", Err(Denial::Wrong)),
                ("Bearer ", Err(Denial::Wrong)),
                ("Bearer s3cret s3cret", Err(Denial::Wrong)),
                ("Bearer", Err(Denial::Missing)),
                ("Bearers3cret", Err(Denial::Missing)),
                ("Basic s3cret", Err(Denial::Missing)),
                ("s3cret", Err(Denial::Missing)),
                ("", Err(Denial::Missing)),
                ("Bearer\ts3cret", Err(Denial::Missing)),
                ("Bearer \u{1F511}", Err(Denial::Wrong)),
            ] {
                let headers = [("host", host), ("authorization", authorization)];
                check((peer, token()), ("/api/pause", &headers), expected);
            }
            check((peer, token()), ("/api/pause", &[("host", host)]), Err(Denial::Missing));
            check((peer, Token::Unreadable), ("/api/pause", &[("host", host)]), Err(Denial::Unreadable));
        }
        let twice = [("authorization", "Bearer s3cret"), ("authorization", "Bearer s3cret")];
        check((Some(LOCAL), token()), ("/api/pause", &twice), Err(Denial::Missing));
    }

    #[test]
    fn pages_of_other_origins_are_refused_even_with_the_token() {
        let token = || Token::Is(HeaderValue::from_static("s3cret"));
        let own = [
            ("localhost:9600", "http://localhost:9600"),
            ("LOCALHOST:9600", "http://localhost:9600"),
            ("127.0.0.1:9600", "http://127.0.0.1:9600"),
            ("[::1]:9600", "http://[::1]:9600"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("localhost", "https://localhost:443"),
        ];
        for (host, origin) in own {
            let headers = [("host", host), ("origin", origin), ("sec-fetch-site", "same-origin")];
            check((Some(LOCAL), Token::None), ("/api/pause", &headers), Ok(Proof::Loopback));
        }
        let foreign: &[&[(&str, &str)]] = &[
            &[("origin", "http://evil.example")],
            &[("origin", "http://localhost:3000")],
            &[("origin", "http://localhost")],
            &[("origin", "http://127.0.0.1:9600")],
            &[("origin", "https://localhost")],
            &[("origin", "http://localhost:9600/")],
            &[("origin", "http://localhost:9600.evil.example")],
            &[("origin", "http://localhost:9600@evil.example")],
            &[("origin", "file://localhost:9600")],
            &[("origin", "localhost:9600")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://löcalhost:9600")],
            &[("origin", "http://localhost:9600"), ("origin", "http://evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "")],
            &[("origin", "http://localhost:9600"), ("sec-fetch-site", "cross-site")],
        ];
        for headers in foreign {
            let mut headers = headers.to_vec();
            headers.extend([("host", "localhost:9600"), ("authorization", "Bearer s3cret")]);
            check((Some(LOCAL), Token::None), ("/api/pause", &headers), Err(Denial::Origin));
            check((Some(LOCAL), token()), ("/api/pause", &headers), Err(Denial::Origin));
        }
        check((Some(LOCAL), token()), ("/api/pause", &[("origin", "http://localhost")]), Err(Denial::Origin));
        check((Some(LOCAL), Token::None), ("/api/pause", &[("host", "localhost"), ("sec-fetch-site", "none")]), {
            Ok(Proof::Loopback)
        });
        // Its name resolves to this machine by now; its pages have its own name as origin, and so has the request.
        let rebound = [("host", "evil.example:9600"), ("origin", "http://evil.example:9600")];
        check((Some(LOCAL), Token::None), ("/api/pause", &rebound), Err(Denial::Host));
        check((Some(LOCAL), token()), ("/api/pause", &rebound), Err(Denial::Missing));
    }

    #[test]
    fn a_token_is_not_read_for_a_request_that_is_refused_anyway() {
        let request = |origin| Request::post("/api/pause").header("host", "localhost").header("origin", origin);
        let never = || -> Token { unreachable!("it is read") };
        let foreign = request("http://evil.example").body(()).expect("a request");
        let peer = LOCAL.parse().ok();
        assert_eq!(admit(&foreign, peer, None, never), Err(Denial::Origin));
        let own = request("http://localhost").body(()).expect("a request");
        assert_eq!(admit(&own, peer, Some("so".to_owned()), never), Err(Denial::Off("so".to_owned())));
    }
}
