//! Baggage that the application has put into OpenTelemetry's active context, for the calls that it makes there.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;

use opentelemetry::Context;
use opentelemetry::baggage::{Baggage as Active, BaggageExt, BaggageMetadata};

use super::active::CallSpan;
use hottap_core::propagate::{ActiveBaggage, Baggage, encode, key, set_active_baggage};
use hottap_core::rpc::ActiveSpan;

/// OpenTelemetry's active context, as a source of baggage.
struct ActiveContext;

impl ActiveBaggage for ActiveContext {
    fn outgoing(&self, came: Option<&Baggage>, span: Option<&dyn ActiveSpan>) -> Option<Baggage> {
        let span = span.and_then(|span| (span as &dyn Any).downcast_ref::<CallSpan>());
        baggage(came, span.map(CallSpan::context))
    }
}

/// Adds the baggage of OpenTelemetry's active context to the calls of this process from now on.
pub fn propagate_active_baggage() {
    set_active_baggage(&ActiveContext);
}

/// What goes on with a call that is made now. `came` is what the handler's caller sent, and `handlers` the context that its
/// handler began in, with the same baggage in OpenTelemetry's form.
///
/// What came goes on as it came, and what the application has put beside it goes with it, with its own value where it has
/// given a key another. A context whose baggage the application has cleared sends none. A member that is beyond the bounds
/// with those before it does not go out.
fn baggage(came: Option<&Baggage>, handlers: Option<&Context>) -> Option<Baggage> {
    Context::map_current(|current| {
        let (active, none) = (current.baggage(), Context::new());
        // A context without baggage has the one empty baggage that all of them share.
        let none = none.baggage();
        let handlers = handlers.map_or(none, BaggageExt::baggage);
        if std::ptr::eq(active, handlers) || std::ptr::eq(active, none) {
            return came.cloned();
        }
        if active.is_empty() { None } else { join(came, active) }
    })
}

fn join(came: Option<&Baggage>, active: &Active) -> Option<Baggage> {
    // In the order of their keys: OpenTelemetry's has none.
    let mut new: BTreeMap<_, _> =
        active.iter().map(|(key, (value, more))| (key.as_str(), (value.as_str(), more))).collect();
    let mut members = Vec::new();
    for member in came.into_iter().flat_map(Baggage::members) {
        let key = std::str::from_utf8(key(member)).unwrap_or("");
        match new.get(key) {
            // It is the same, and has properties perhaps that OpenTelemetry's was made without.
            Some((value, more))
                if more.as_str().is_empty() && came.and_then(|came| came.get(key)).as_deref() == Some(value) =>
            {
                new.remove(key);
                members.push(Cow::Borrowed(member));
            }
            Some(_) => {}
            None => members.push(Cow::Borrowed(member)),
        }
    }
    members.extend(new.into_iter().map(|(key, (value, more))| Cow::Owned(written(key, value, more).into_bytes())));
    Baggage::of(members)
}

/// Properties that would be a member of their own are left out.
fn written(key: &str, value: &str, properties: &BaggageMetadata) -> String {
    let (value, properties) = (encode(value), properties.as_str());
    let is_one = properties.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',');
    if is_one && !properties.is_empty() { format!("{key}={value};{properties}") } else { format!("{key}={value}") }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use opentelemetry::KeyValue;
    use opentelemetry::baggage::KeyValueMetadata;

    use super::*;

    fn list(text: &'static str) -> Baggage {
        Baggage(HeaderValue::from_static(text))
    }

    fn context(members: &[(&'static str, &'static str, &'static str)]) -> Context {
        let members = members.iter().map(|(key, value, more)| KeyValueMetadata::new(*key, *value, *more));
        Context::new().with_baggage(members.collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(came: Option<&Baggage>, handlers: Option<&Context>, expected: Option<&str>, reason: &str) {
        let sent = baggage(came, handlers);
        assert_eq!(sent.as_ref().and_then(|sent| sent.0.to_str().ok()), expected, "{reason}");
    }

    #[test]
    fn what_the_application_adds_goes_on_beside_what_came() {
        let came = list("user=J%C3%BCrgen;p=1, tenant=acme");
        let handlers = context(&[("user", "Jürgen", ""), ("tenant", "acme", "")]);
        check(Some(&came), Some(&handlers), Some("user=J%C3%BCrgen;p=1, tenant=acme"), "another context is active");
        for (members, expected, reason) in [
            (&[("a", "1", "")][..], Some("user=J%C3%BCrgen;p=1,tenant=acme,a=1"), "one more"),
            (
                &[("user", "Jürgen", ""), ("b", "x y,", "p=1;q"), ("a", "1", "")],
                Some("user=J%C3%BCrgen;p=1,tenant=acme,a=1,b=x%20y%2C;p=1;q"),
                "more, beside what is there",
            ),
            (&[("user", "42", "")], Some("tenant=acme,user=42"), "another value"),
            (&[("user", "Jürgen", "q")], Some("tenant=acme,user=J%C3%BCrgen;q"), "other properties"),
            (&[("a", "1", "p,b=2")], Some("user=J%C3%BCrgen;p=1,tenant=acme,a=1"), "properties that are none"),
            (&[("a", "1", "\n")], Some("user=J%C3%BCrgen;p=1,tenant=acme,a=1"), "nor are these"),
            (&[], None, "cleared"),
        ] {
            let _active = context(members).attach();
            check(Some(&came), Some(&handlers), expected, reason);
        }
    }

    #[test]
    fn what_came_goes_on_as_it_came_if_nothing_is_added() {
        let came = list("user=J%C3%BCrgen;p=1, ,user=2");
        let handlers = context(&[("user", "2", "")]);
        let expected = Some("user=J%C3%BCrgen;p=1, ,user=2");
        check(Some(&came), None, expected, "no context at all");
        let _active = handlers.clone().attach();
        check(Some(&came), Some(&handlers), expected, "the handler's own");
        let _inside = Context::current_with_value(7).attach();
        check(Some(&came), Some(&handlers), expected, "one inside of it");
        let _other = Context::new().attach();
        check(Some(&came), Some(&handlers), expected, "one without baggage");
    }

    #[test]
    fn outside_of_handlers_the_active_contexts_goes_out() {
        check(None, None, None, "none");
        let _active = Context::new().with_baggage([KeyValue::new("job", "nightly")]).attach();
        check(None, None, Some("job=nightly"), "its own");
    }

    #[test]
    fn what_is_beyond_the_bounds_does_not_go_out_and_what_came_does() {
        let came = list("a=1");
        // Within OpenTelemetry's bounds as it is, beyond W3C's when it is escaped.
        let _active = Context::new().with_baggage([KeyValue::new("long", "ü".repeat(2_000))]).attach();
        check(Some(&came), None, Some("a=1"), "12000 bytes");
        check(None, None, None, "12000 bytes alone");
        let more = [KeyValue::new("long", "ü".repeat(2_000)), KeyValue::new("short", "2")];
        let _active = Context::new().with_baggage(more).attach();
        check(Some(&came), None, Some("a=1,short=2"), "12000 bytes cost no other member");
    }
}
