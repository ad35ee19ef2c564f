//! The layer around an endpoint, and what it is told of requests, responses and errors.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tower_layer::Layer;

use super::EndpointService;
use crate::layer::BusinessStatus;
use crate::rpc::{RpcNotes, Symbol};
use crate::tracer::Handle;

/// Observes the calls of one endpoint: any tower service with requests `Req`, responses `Res` and errors `Err` (Go kit's
/// endpoint middleware).
///
/// Made by `Hottap::endpoint_layer`. Its calls are of the side [`Endpoint`](crate::rpc::Side::Endpoint), which plugins
/// see if their scope names it (`sides = ["endpoint"]`). A call is a child of the call that the current task handles, and
/// calls that the endpoint makes are its children. Inside, [`RpcInfo::current`](crate::rpc::RpcInfo::current) is the
/// endpoint's call.
///
/// ```
/// use hottap::{BusinessStatus, Hottap, rpc::RpcNotes};
/// use tower::{ServiceBuilder, service_fn};
/// # struct Order { customer: String }
/// # struct Placed { sold_out: bool }
/// # fn endpoint(tap: &Hottap) {
///
/// let observed = tap
///     .endpoint_layer("place_order")
///     .notes(|order: &Order| RpcNotes::new().tag("customer", &order.customer))
///     .business_status(|placed: &Placed| placed.sold_out.then(|| BusinessStatus::new(1, "sold out")));
/// let place = ServiceBuilder::new()
///     .layer(observed)
///     .service(service_fn(|_: Order| async { Ok::<_, std::io::Error>(Placed { sold_out: false }) }));
/// # fn is_a_service(_: impl tower::Service<Order, Response = Placed, Error = std::io::Error>) {}
/// # is_a_service(place);
/// # }
/// ```
pub struct EndpointLayer<Req, Res, Err> {
    handle: Handle,
    about: Arc<About<Req, Res, Err>>,
}

/// What the service's owner tells of a request, a response or an error.
pub(super) type Told<T, R> = Option<Arc<dyn Fn(&T) -> R + Send + Sync>>;

/// What the service's owner has to say of its calls.
pub(super) struct About<Req, Res, Err> {
    pub(super) name: Cow<'static, str>,
    pub(super) name_of: Told<Req, Option<String>>,
    pub(super) notes: Told<Req, RpcNotes>,
    pub(super) business: Told<Res, Option<BusinessStatus>>,
    pub(super) attempts: Told<Err, Vec<String>>,
    /// What an error is called.
    pub(super) error_type: Symbol,
}

impl<Req, Res, Err> Clone for About<Req, Res, Err> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            name_of: self.name_of.clone(),
            notes: self.notes.clone(),
            business: self.business.clone(),
            attempts: self.attempts.clone(),
            error_type: self.error_type,
        }
    }
}

impl<Req, Res, Err> EndpointLayer<Req, Res, Err> {
    #[doc(hidden)]
    pub fn new(handle: Handle, name: Cow<'static, str>) -> Self {
        let error_type = Symbol::intern(short(std::any::type_name::<Err>()));
        let about = About { name, name_of: None, notes: None, business: None, attempts: None, error_type };
        Self { handle, about: Arc::new(about) }
    }

    /// Takes the name from the request, where there is one in it; else it is the layer's. Names become methods, of which
    /// there is room for some thousands: never put an id into one. At most 256 bytes.
    #[must_use]
    pub fn name(self, of: impl Fn(&Req) -> Option<String> + Send + Sync + 'static) -> Self {
        self.with(|about| about.name_of = Some(Arc::new(of)))
    }

    /// Adds tags to each call: always the same, or from the request.
    #[must_use]
    pub fn notes(self, of: impl Fn(&Req) -> RpcNotes + Send + Sync + 'static) -> Self {
        self.with(|about| about.notes = Some(Arc::new(of)))
    }

    /// Tells which responses are failures of the application (Go kit's `Failer`): their calls are business errors. Without
    /// it no response is one.
    #[must_use]
    pub fn business_status(self, of: impl Fn(&Res) -> Option<BusinessStatus> + Send + Sync + 'static) -> Self {
        self.with(|about| about.business = Some(Arc::new(of)))
    }

    /// Takes back what [`business_status`](Self::business_status) said: a response is a success, whatever is in it.
    #[must_use]
    pub fn ignore_business_status(self) -> Self {
        self.with(|about| about.business = None)
    }

    /// Tells the errors of all attempts that an error is the end of (Go kit's `RetryError`), the last one included: each is
    /// an event with its number, recorded at the level [`Detailed`](crate::rpc::Level::Detailed), and counted at every
    /// level. A retry policy inside the layer may as well say so itself, by
    /// [`RpcHandle::attempt_failed`](crate::rpc::RpcHandle::attempt_failed).
    #[must_use]
    pub fn attempts(self, of: impl Fn(&Err) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.with(|about| about.attempts = Some(Arc::new(of)))
    }

    /// Wraps an endpoint, as [`Layer::layer`] does; the trait need not be imported.
    #[must_use]
    pub fn layer<S>(&self, inner: S) -> EndpointService<S, Req, Res, Err> {
        EndpointService::new(inner, self.handle.clone(), self.about.clone())
    }

    fn with(mut self, change: impl FnOnce(&mut About<Req, Res, Err>)) -> Self {
        change(Arc::make_mut(&mut self.about));
        self
    }
}

/// Asks; a panic in the answer is not the call's, and then nothing was told.
pub(super) fn ask<T, R>(told: &Told<T, R>, of: &T) -> Option<R> {
    let told = told.as_ref()?;
    catch_unwind(AssertUnwindSafe(|| told(of))).ok()
}

/// A type's name without its path, as far as it has one; that of an error says what kind of error it is.
fn short(name: &'static str) -> &'static str {
    if name.contains(['<', ' ']) { "_OTHER" } else { name.rsplit("::").next().unwrap_or(name) }
}

impl<S, Req, Res, Err> Layer<S> for EndpointLayer<Req, Res, Err> {
    type Service = EndpointService<S, Req, Res, Err>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer(inner)
    }
}

impl<Req, Res, Err> Clone for EndpointLayer<Req, Res, Err> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), about: self.about.clone() }
    }
}

impl<Req, Res, Err> fmt::Debug for EndpointLayer<Req, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointLayer").field("name", &self.about.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn an_error_is_called_by_its_type() {
        assert_eq!(short(std::any::type_name::<std::io::Error>()), "Error");
        assert_eq!(short(std::any::type_name::<Box<dyn std::error::Error + Send + Sync>>()), "_OTHER");
        assert_eq!(short("sold_out::SoldOut"), "SoldOut");
    }
}
