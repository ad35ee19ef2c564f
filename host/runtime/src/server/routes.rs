//! Makes axum's router tell its routes to the layer around it.

#[cfg(feature = "axum")]
use std::any::Any;

use hottap_core::layer::hides_routes;

/// Returns the service, and true if its routes stay hidden. axum's `Router`, and the one in tonic's `Routes`, get a
/// [`RouteLayer`](hottap_core::layer::RouteLayer) if the feature `axum` is on; behind other types a router is not found.
#[cfg_attr(not(feature = "axum"), expect(unused_mut, reason = "no router is changed"))]
pub(super) fn told<S: 'static>(mut service: S) -> (S, bool) {
    #[cfg(feature = "axum")]
    if let Some(router) = router(&mut service) {
        // The state makes handlers into routes here, which otherwise is done for each request.
        *router = std::mem::take(router).layer(hottap_core::layer::RouteLayer).with_state(());
        return (service, false);
    }
    (service, hides_routes::<S>())
}

/// The router that the service is, or that is in it.
#[cfg(feature = "axum")]
fn router(service: &mut dyn Any) -> Option<&mut axum::Router> {
    #[cfg(feature = "tonic")]
    if service.is::<tonic::service::Routes>() {
        return service.downcast_mut().map(tonic::service::Routes::axum_router_mut);
    }
    service.downcast_mut()
}
