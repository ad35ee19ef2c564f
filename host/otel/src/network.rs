//! The two ends of a call as attributes: who was asked, who asked, over what; from the call's RpcInfo and its request's head.

use http::Version;

use super::address;
use super::attributes::{Attributes, Kind};
use hottap_core::rpc::bare;
use hottap_core::rpc::{Peer, RpcInfo, Side, Transport};
use hottap_core::tracer::CallContext;

/// Host and port.
type Address = (String, Option<u16>);

impl Attributes {
    /// Who is asked, by the name that whoever asks has for it: of clients where the call goes, of servers what the caller's
    /// request says, which is whatever the caller chose.
    pub(super) fn server(&mut self, kind: Kind, call: &CallContext) {
        let address = match call.info().side() {
            _ if kind == Kind::Endpoint => None,
            Side::Client => destination(call),
            _ => named(call),
        };
        let Some((host, port)) = address else { return };
        let [old_address, old_port] = match (kind, call.info().side()) {
            (Kind::Http, Side::Client) => ["net.peer.name", "net.peer.port"],
            (Kind::Http, _) => ["net.host.name", "net.host.port"],
            _ => ["server.address", "server.port"],
        };
        self.push_as("server.address", old_address, host);
        if let Some(port) = port {
            self.push_as("server.port", old_port, i64::from(port));
        }
    }

    /// The other end of the connection: of servers when the call starts, of clients once it has ended, when there has been
    /// one.
    pub(super) fn peer(&mut self, kind: Kind, info: &RpcInfo) {
        if kind == Kind::Endpoint {
            return;
        }
        let (address, port) = match info.peer() {
            Peer::Unknown => return,
            Peer::Socket(socket) => (address::words(socket.ip()), Some(socket.port())),
            Peer::Text(text) => match unix(text) {
                // A client's socket has no name, as a rule; a host's name is no end of a connection.
                None | Some("") => return,
                Some(path) => (path.to_owned(), None),
            },
        };
        let [old_address, old_port] = match kind {
            Kind::Http => ["net.sock.peer.addr", "net.sock.peer.port"],
            _ => ["network.peer.address", "network.peer.port"],
        };
        if kind == Kind::Http && info.side() == Side::Server {
            self.push_stable("client.address", address.clone());
        }
        self.push_as("network.peer.address", old_address, address);
        if let Some(port) = port {
            self.push_as("network.peer.port", old_port, i64::from(port));
        }
    }

    /// Which version of HTTP carried it; known of a client's call when there is a response.
    pub(super) fn carried(&mut self, kind: Kind, call: &CallContext) {
        if kind != Kind::Http {
            return;
        }
        let came_with_1_0 = || {
            let head = call.request().filter(|_| call.info().side() == Side::Server);
            head.is_some_and(|head| head.version() == Version::HTTP_10)
        };
        let (version, old) = match call.info().config().transport() {
            Transport::Http1 if came_with_1_0() => ("1.0", "1.0"),
            Transport::Http1 => ("1.1", "1.1"),
            Transport::Http2 => ("2", "2.0"),
            Transport::Http3 => ("3", "3.0"),
            _ => return,
        };
        self.push_stable("network.protocol.version", version);
        self.push_old("net.protocol.version", old);
    }
}

/// Where a client's call goes. A Unix socket's requests name some host or other; its path says more.
fn destination(call: &CallContext) -> Option<Address> {
    let peer = call.info().peer();
    if let Peer::Text(text) = peer
        && let Some(path) = unix(text)
    {
        return (!path.is_empty()).then(|| (path.to_owned(), None));
    }
    if let Some((host, port)) = named(call) {
        let of_scheme = || match call.request()?.scheme()? {
            "https" => Some(443),
            _ => Some(80),
        };
        return Some((host, port.or_else(of_scheme)));
    }
    match peer {
        Peer::Unknown => None,
        Peer::Socket(socket) => Some((address::words(socket.ip()), Some(socket.port()))),
        Peer::Text(text) => {
            let (host, port) = split(text);
            (!host.is_empty()).then(|| (host.to_owned(), port))
        }
    }
}

/// What the request's head names.
fn named(call: &CallContext) -> Option<Address> {
    let authority = call.request()?.authority()?;
    let host = bare(authority.host());
    (!host.is_empty()).then(|| (super::url::bounded(host).to_owned(), authority.port_u16()))
}

/// The path of a Unix socket.
fn unix(peer: &str) -> Option<&str> {
    peer.strip_prefix("unix:")
}

/// Host and port of `inventory:80` or `[::1]:80`; what has no port is all host.
fn split(peer: &str) -> (&str, Option<u16>) {
    let split = peer.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = match split {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (peer, None),
    };
    (bare(host), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_host_and_perhaps_a_port() {
        for (peer, expected) in [
            ("inventory:80", ("inventory", Some(80))),
            ("[::1]:80", ("::1", Some(80))),
            ("::1", ("::1", None)),
            ("pricing:99999", ("pricing:99999", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split(peer), expected, "{peer}");
        }
    }
}
