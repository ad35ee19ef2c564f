//! From what is known of a call to attributes, by the conventions: what was called, and how it ended. The ends of the call
//! are in `network`, its request's head is in `request`; which of them metrics have is said in `metrics`.

use opentelemetry::{KeyValue, StringValue, Value};

use super::{BusinessErrors, Conventions, Names};
use hottap_core::layer::http_method;
use hottap_core::rpc::{Method, Protocol, RpcInfo, Side, error_type};
use hottap_core::tracer::CallContext;

/// Attributes of a span, as many as nearly all have: room for those that are added when the call ends, too.
const ROOM: usize = 16;

/// What a call is to the conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Rpc,
    /// Inside the process; the conventions have no names for it.
    Endpoint,
}

impl Kind {
    pub(super) fn of(info: &RpcInfo) -> Self {
        match info.invocation().protocol() {
            Protocol::None => Self::Endpoint,
            Protocol::Http if info.side() == Side::Endpoint => Self::Endpoint,
            Protocol::Http => Self::Http,
            _ => Self::Rpc,
        }
    }

    pub(super) fn names(self, conventions: Conventions) -> Names {
        match self {
            Self::Http => conventions.http,
            _ => conventions.rpc,
        }
    }
}

/// How much was said of what is called when the call started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// All but the route or the method.
    Half,
    All,
}

/// Names of attributes, with these values.
pub(super) struct Attributes {
    pub(super) list: Vec<KeyValue>,
    pub(super) names: Names,
}

impl Attributes {
    pub(super) fn new(names: Names) -> Self {
        Self { list: Vec::with_capacity(ROOM), names }
    }

    pub(super) fn push(&mut self, key: &'static str, value: impl Into<Value>) {
        self.list.push(KeyValue::new(key, value));
    }

    /// Under its newer and its older name, as the conventions ask for.
    pub(super) fn push_as(&mut self, stable: &'static str, old: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.names {
            Names::Stable => self.push(stable, value),
            Names::Old => self.push(old, value),
            Names::Both if stable == old => self.push(stable, value),
            Names::Both => {
                self.push(stable, value.clone());
                self.push(old, value);
            }
        }
    }

    pub(super) fn push_stable(&mut self, key: &'static str, value: impl Into<Value>) {
        if self.names.stable() {
            self.push(key, value);
        }
    }

    pub(super) fn push_old(&mut self, key: &'static str, value: impl Into<Value>) {
        if self.names.old() {
            self.push(key, value);
        }
    }

    /// What is called, as far as it is known: for plain HTTP a router may tell the route later, and a name that came over
    /// the wire has to prove itself.
    pub(super) fn called(&mut self, kind: Kind, call: &CallContext) -> Told {
        let info = call.info();
        let method = info.invocation().method();
        let known = method.symbol().is_some();
        match kind {
            // Whoever drives the call will say what protocol it has; it is none of HTTP's methods that is called.
            Kind::Http if is_name(method.as_str()) => return Told::Nothing,
            Kind::Http => {
                self.push_as("http.request.method", "http.method", verb_of(call));
                if !self.route(info) {
                    return Told::Half;
                }
            }
            Kind::Rpc => {
                self.push_as("rpc.system.name", "rpc.system", system(info.invocation().protocol(), self.names));
                if !known {
                    return Told::Half;
                }
                self.rpc_method(method);
            }
            Kind::Endpoint if known => self.push("endpoint.method", part(method, whole)),
            Kind::Endpoint => return Told::Half,
        }
        Told::All
    }

    /// The rest of what is called, once the call has ended.
    pub(super) fn called_at_last(&mut self, kind: Kind, call: &CallContext, told: Told) {
        let told = if told == Told::Nothing { self.called(kind, call) } else { told };
        let info = call.info();
        let method = info.invocation().method();
        match kind {
            _ if told == Told::All => {}
            Kind::Http => _ = self.route(info),
            Kind::Rpc => self.rpc_method(method),
            Kind::Endpoint => self.push("endpoint.method", part(method, whole)),
        }
    }

    /// On a client it is what the application says that its URLs are made by.
    fn route(&mut self, info: &RpcInfo) -> bool {
        let method = info.invocation().method();
        let has_route = method.as_str().contains(' ');
        if has_route && info.side() == Side::Client {
            self.push_stable("url.template", part(method, route));
        } else if has_route {
            self.push("http.route", part(method, route));
        }
        has_route
    }

    fn rpc_method(&mut self, method: &Method) {
        if self.names.old() {
            self.push("rpc.service", part(method, service));
        }
        let wanted = if self.names == Names::Old { name } else { whole };
        self.push("rpc.method", part(method, wanted));
    }

    /// How it ended.
    pub(super) fn ended(&mut self, kind: Kind, info: &RpcInfo, failure: Option<&'static str>) {
        let (stats, invocation) = (info.stats(), info.invocation());
        match (kind, stats.rpc_status(), stats.http_status()) {
            (Kind::Http, _, Some(status)) => {
                self.push_as("http.response.status_code", "http.status_code", i64::from(status));
            }
            (Kind::Rpc, Some(status), _) => self.rpc_status(invocation.protocol(), status),
            _ => {}
        }
        if let Some(failure) = failure {
            self.push("error.type", failure);
        }
    }

    fn rpc_status(&mut self, protocol: Protocol, status: u16) {
        let text = status_text(protocol, status);
        match protocol {
            Protocol::Grpc | Protocol::GrpcWeb => self.push_old("rpc.grpc.status_code", i64::from(status)),
            Protocol::Connect => {
                if let Some(text) = text.clone() {
                    self.push_old("rpc.connect_rpc.error_code", text);
                }
            }
            _ => {}
        }
        if let Some(text) = text {
            self.push_stable("rpc.response.status_code", text);
        }
    }

    /// Bytes of both bodies, named by what they are and not by who counted them. Attempts have none that were counted.
    pub(super) fn sizes(&mut self, kind: Kind, info: &RpcInfo) {
        if info.attempt_of().is_some() {
            return;
        }
        let (sent, received) = (info.stats().sent().bytes, info.stats().received().bytes);
        let (request, response) = if info.side() == Side::Client { (sent, received) } else { (received, sent) };
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        match kind {
            Kind::Http => {
                self.push_as("http.request.body.size", "http.request_content_length", bytes(request));
                self.push_as("http.response.body.size", "http.response_content_length", bytes(response));
            }
            Kind::Rpc => {
                self.push("rpc.request.size", bytes(request));
                self.push("rpc.response.size", bytes(response));
            }
            Kind::Endpoint => {}
        }
    }

    /// Which attempt it is, of an attempt; how many there were, of a call that took more than one.
    pub(super) fn attempts(&mut self, kind: Kind, info: &RpcInfo) {
        let number = i64::from(info.attempts());
        match info.attempt_of() {
            Some(_) if number > 1 && kind == Kind::Http => {
                self.push_as("http.request.resend_count", "http.resend_count", number - 1);
            }
            Some(_) => self.push("hottap.attempt", number),
            None if number > 1 => self.push("hottap.attempts", number),
            None => {}
        }
    }

    /// The application's own status.
    pub(super) fn business(&mut self, info: &RpcInfo, policy: BusinessErrors) {
        let invocation = info.invocation();
        if invocation.business_status() != 0 && policy != BusinessErrors::Ignore {
            self.push("rpc.business_status", i64::from(invocation.business_status()));
            if !invocation.business_message().is_empty() {
                self.push("rpc.business_message", invocation.business_message().to_owned());
            }
        }
    }

    /// The application's own words.
    pub(super) fn tags(&mut self, info: &RpcInfo) {
        for (key, value) in info.tags().iter() {
            self.push(key.as_str(), value.to_owned());
        }
        for (prefix, tags) in [("from.", info.from().tags()), ("to.", info.to().tags())] {
            for (key, value) in tags.iter() {
                self.list.push(KeyValue::new(format!("{prefix}{key}"), value.to_owned()));
            }
        }
    }
}

/// The conventions' `rpc.system.name` of a protocol, or the older `rpc.system`, which differs for Connect.
pub(super) fn system(protocol: Protocol, names: Names) -> &'static str {
    match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => "grpc",
        Protocol::Connect if names == Names::Old => "connect_rpc",
        Protocol::Connect => "connectrpc",
        Protocol::Thrift => "thrift",
        _ => "_OTHER",
    }
}

/// A status as its protocol writes it; Connect has the codes of gRPC, writes them in lower case, and has none for success.
fn status_text(protocol: Protocol, status: u16) -> Option<StringValue> {
    Some(match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => error_type::grpc(status).as_str().into(),
        Protocol::Connect => match status {
            0 => return None,
            1 => "canceled".into(),
            _ => error_type::grpc(status).as_str().to_ascii_lowercase().into(),
        },
        _ => status.to_string().into(),
    })
}

/// It is the name of an RPC's method, `pkg.Service/Method`.
fn is_name(method: &str) -> bool {
    method.contains('/') && !method.contains(' ')
}

/// A part of a method's name: borrowed as soon as the name is a symbol.
fn part(method: &Method, of: for<'a> fn(&'a str) -> &'a str) -> StringValue {
    match method.symbol() {
        Some(symbol) => of(symbol.as_str()).into(),
        None => of(method.as_str()).to_owned().into(),
    }
}

fn whole(method: &str) -> &str {
    method
}

/// The HTTP method, if there is a request that has one, as it may stand in names: `_OTHER` if it is not known.
pub(super) fn verb(call: &CallContext) -> Option<&'static str> {
    call.request().map(|head| http_method(head.method()))
}

/// The same also where there is only the name.
fn verb_of(call: &CallContext) -> StringValue {
    match verb(call) {
        Some(verb) => verb.into(),
        None => part(call.info().invocation().method(), |name| name.split_once(' ').map_or(name, |(verb, _)| verb)),
    }
}

fn route(method: &str) -> &str {
    method.split_once(' ').map_or("", |(_, route)| route)
}

fn service(method: &str) -> &str {
    method.rsplit_once('/').map_or("", |(service, _)| service)
}

fn name(method: &str) -> &str {
    method.rsplit_once('/').map_or(method, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_its_protocol_writes_it() {
        for (protocol, status, expected) in [
            (Protocol::Grpc, 0, Some("OK")),
            (Protocol::GrpcWeb, 5, Some("NOT_FOUND")),
            (Protocol::Grpc, 17, Some("UNKNOWN")),
            (Protocol::Connect, 0, None),
            (Protocol::Connect, 1, Some("canceled")),
            (Protocol::Connect, 4, Some("deadline_exceeded")),
            (Protocol::Thrift, 6, Some("6")),
        ] {
            assert_eq!(
                status_text(protocol, status).as_ref().map(StringValue::as_str),
                expected,
                "{protocol:?} {status}"
            );
        }
    }
}
