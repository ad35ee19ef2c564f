//! The route of a plain HTTP request, for routers that the layers do not know by themselves.

use std::fmt;
use std::sync::Arc;

/// The route that a router matched, such as `/users/{id}`: put into the extensions of a request, or of its response.
///
/// It becomes part of the method's name: `GET /users/{id}`. The path of a request never does: it may hold anything, and
/// there may be any number of them. axum's own `MatchedPath` needs no help where the layer stands inside the router
/// (`Router::layer`, feature `axum`).
///
/// Where a route is told that is a pattern, a request that only looks like a unary call of Connect is plain HTTP: its path
/// would be its method. If only the response tells the route, its method is `_OTHER`.
///
/// On a server, put it into the request before the layer sees it, or into the response if the router stands inside the
/// layer, as `RouteLayer` (feature `axum`) does for axum's; the response's counts. Told only by the response, it is the name that is
/// recorded, and tracers whose scope it is in get the call; those that act at the start of calls are asked by the name
/// that it has then (`GET`). On a client, put it into the request. At most 256 bytes with the HTTP method; a longer one is
/// `_OTHER`.
#[derive(Clone)]
pub struct Route(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
    #[cfg(feature = "axum")]
    Matched(axum::extract::MatchedPath),
}

impl Route {
    /// A route that is known when the program is compiled.
    #[must_use]
    pub const fn new(route: &'static str) -> Self {
        Self(Text::Static(route))
    }

    /// The route.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(route) => route,
            Text::Shared(route) => route,
            #[cfg(feature = "axum")]
            Text::Matched(route) => route.as_str(),
        }
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.as_str()).finish()
    }
}

impl From<&'static str> for Route {
    fn from(route: &'static str) -> Self {
        Self::new(route)
    }
}

impl From<Arc<str>> for Route {
    fn from(route: Arc<str>) -> Self {
        Self(Text::Shared(route))
    }
}

impl From<String> for Route {
    fn from(route: String) -> Self {
        Self(Text::Shared(route.into()))
    }
}

#[cfg(feature = "axum")]
impl From<axum::extract::MatchedPath> for Route {
    fn from(route: axum::extract::MatchedPath) -> Self {
        Self(Text::Matched(route))
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn routes_are_equal_by_their_text() {
        assert_eq!(Route::new("/users/{id}"), Route::from("/users/{id}".to_owned()));
        assert_ne!(Route::new("/users/{id}"), Route::from("/users/{name}".to_owned()));
    }
}
