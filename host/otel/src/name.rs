//! What a span is called where the application does not say: never by a path.

use std::borrow::Cow;

use super::Conventions;
use super::attributes::{Kind, system, verb};
use hottap_core::rpc::Method;
use hottap_core::tracer::CallContext;

/// What stands in an HTTP span's name for a method that is not known.
const HTTP: &str = "HTTP";

/// The method's name; where it is none that is known, `HTTP` with the route, or the RPC's system.
pub(super) fn of(call: &CallContext, conventions: Conventions) -> Cow<'static, str> {
    let invocation = call.info().invocation();
    let (kind, method) = (Kind::of(call.info()), invocation.method());
    match (kind, method.as_str().strip_prefix("_OTHER")) {
        // A name for which there was no room says less than the request.
        (Kind::Http, Some("")) => Cow::Borrowed(verb(call).filter(|verb| *verb != "_OTHER").unwrap_or(HTTP)),
        (Kind::Http, Some(route)) if route.starts_with(' ') => Cow::Owned([HTTP, route].concat()),
        (Kind::Rpc, Some("")) => Cow::Borrowed(system(invocation.protocol(), kind.names(conventions))),
        _ => whole(method),
    }
}

fn whole(method: &Method) -> Cow<'static, str> {
    match method.symbol() {
        Some(symbol) => Cow::Borrowed(symbol.as_str()),
        None => Cow::Owned(method.as_str().to_owned()),
    }
}
