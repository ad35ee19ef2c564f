//! The name of a method: a symbol, or a text that has not earned a symbol yet.

use super::Symbol;

/// Bytes of a method's name; a longer one is `_OTHER`.
pub(crate) const MAX_METHOD_BYTES: usize = 256;

/// `package.Service/Method` for gRPC, `GET /route` for HTTP.
///
/// The first calls of a method carry its text; once a router has shown that it knows the method it becomes a symbol.
/// So a flood of made-up paths stays `_OTHER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Known(Symbol),
    New(Box<str>),
}

impl Method {
    #[doc(hidden)]
    pub const fn known(symbol: Symbol) -> Self {
        Self(Name::Known(symbol))
    }

    #[doc(hidden)]
    pub fn new(text: &str) -> Self {
        if text.len() > MAX_METHOD_BYTES { Self::known(Symbol::OTHER) } else { Self(Name::New(text.into())) }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(symbol) => symbol.as_str(),
            Name::New(text) => text,
        }
    }

    /// The symbol; none while the method is new.
    #[must_use]
    pub fn symbol(&self) -> Option<Symbol> {
        match &self.0 {
            Name::Known(symbol) => Some(*symbol),
            Name::New(_) => None,
        }
    }

    /// The package: what stands before the service's name; "" if there is none, as for plain HTTP.
    #[must_use]
    pub fn package(&self) -> &str {
        self.full_service().rsplit_once('.').map_or("", |(package, _)| package)
    }

    /// The service's name without its package; "" for plain HTTP.
    #[must_use]
    pub fn service(&self) -> &str {
        let full = self.full_service();
        full.rsplit_once('.').map_or(full, |(_, service)| service)
    }

    /// The method's own name: what follows the service, or the route for plain HTTP.
    #[must_use]
    pub fn name(&self) -> &str {
        let text = self.as_str();
        match text.split_once(' ') {
            Some((_, route)) => route,
            None => text.rsplit_once('/').map_or(text, |(_, name)| name),
        }
    }

    fn full_service(&self) -> &str {
        let text = self.as_str();
        if text.contains(' ') { "" } else { text.rsplit_once('/').map_or("", |(service, _)| service) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_package_service_and_name() {
        for (text, package, service, name) in [
            ("shop.v1.Checkout/Place", "shop.v1", "Checkout", "Place"),
            ("Greeter/Hello", "", "Greeter", "Hello"),
            ("GET /users/{id}", "", "", "/users/{id}"),
            ("GET", "", "", "GET"),
            ("", "", "", ""),
        ] {
            let method = Method::new(text);
            assert_eq!((method.package(), method.service(), method.name()), (package, service, name), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_other() {
        assert_eq!(Method::new(&"x".repeat(MAX_METHOD_BYTES + 1)).as_str(), "_OTHER");
    }
}
