//! A request's head as attributes of a span: URL, method as it was sent, user agent. Metrics have the scheme of it alone.

use super::attributes::{Attributes, Kind, verb};
use super::url;
use hottap_core::rpc::{Side, Symbol};
use hottap_core::tracer::CallContext;

impl Attributes {
    /// What plain HTTP has, if the head is there; samplers ask for all of it, so it is told when the call starts.
    pub(super) fn request(&mut self, kind: Kind, call: &CallContext) {
        let Some(head) = call.request().filter(|_| kind == Kind::Http) else { return };
        let method = head.method().as_str();
        if verb(call) != Some(method) {
            self.push_stable("http.request.method_original", url::bounded(method).to_owned());
        }
        let (path, query) = (head.uri().path(), head.uri().query().filter(|query| !query.is_empty()));
        if call.info().side() == Side::Client {
            if let Some(authority) = head.authority() {
                let full = |credentials| url::full(head.scheme(), &authority, credentials, path, query);
                if self.names.stable() {
                    self.push("url.full", full(url::CREDENTIALS));
                }
                if self.names.old() {
                    self.push("http.url", full(""));
                }
            }
        } else {
            self.scheme(kind, call);
            if self.names.stable() && !path.is_empty() {
                self.push("url.path", url::bounded(path).to_owned());
            }
            if let Some(query) = query.filter(|_| self.names.stable()) {
                self.push("url.query", url::query(query).into_owned());
            }
            if self.names.old() && !path.is_empty() {
                self.push("http.target", url::target(path, query));
            }
        }
        // The stable conventions have it on servers; to clients it says what they know of themselves.
        if let Some(agent) = head.user_agent()
            && (call.info().side() != Side::Client || self.names.old())
        {
            self.push("user_agent.original", url::bounded(agent).to_owned());
        }
    }

    /// Of servers of plain HTTP: which of `http` and `https`. Where nobody says that it is the latter, it is the former.
    pub(super) fn scheme(&mut self, kind: Kind, call: &CallContext) {
        if let Some(head) = call.request().filter(|_| kind == Kind::Http && call.info().side() == Side::Server) {
            self.push_as("url.scheme", "http.scheme", head.scheme().unwrap_or("http"));
        }
    }

    /// The name that a caller asked for and nobody knows.
    pub(super) fn asked_for(&mut self, kind: Kind, call: &CallContext) {
        if kind == Kind::Rpc
            && call.info().invocation().method().symbol() == Some(Symbol::OTHER)
            && let Some(head) = call.request()
        {
            let path = head.uri().path();
            self.push_stable("rpc.method_original", url::bounded(path.strip_prefix('/').unwrap_or(path)).to_owned());
        }
    }
}
