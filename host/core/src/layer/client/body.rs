//! Request bodies that a client layer can count, and what the service inside the layer then gets.

use http_body::Body;

use crate::layer::{Probe, RequestBody};

/// A request's body that a [`ClientLayer`](crate::layer::ClientLayer) can count.
///
/// Most services take any body, and get it in a [`RequestBody`]. Some take only one type, as tonic's `Channel` takes only
/// `tonic::body::Body`: for that the counted body is put into a body of the same type again. So each type says for
/// itself what it becomes. For a body of your own:
///
/// ```
/// use hottap::{ClientBody, Probe, RequestBody};
/// # use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
/// # use http_body::{Body, Frame};
/// struct MyBody;
/// # impl Body for MyBody {
/// #     type Data = &'static [u8];
/// #     type Error = Infallible;
/// #     fn poll_frame(
/// #         self: Pin<&mut Self>,
/// #         _: &mut Context<'_>,
/// #     ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
/// #         Poll::Ready(None)
/// #     }
/// # }
///
/// impl ClientBody for MyBody {
///     type Observed = RequestBody<Self>;
///
///     fn observe(self, probe: Probe) -> Self::Observed {
///         probe.watch(self)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "Hottap's `ClientLayer` cannot count request bodies of type `{Self}`",
    label = "not a `hottap::ClientBody`",
    note = "for tonic's `Body`, enable the feature `tonic` of the crate hottap in Cargo.toml; for axum's the feature `axum`, for \
            hyper's `Incoming` the feature `hyper`",
    note = "for a body of your own, implement `hottap::ClientBody`, or box it with `http_body_util::BodyExt::boxed`"
)]
pub trait ClientBody: Body + Sized {
    /// The body as the service inside the layer gets it.
    type Observed: Body;

    /// Called once per call, on the task that makes it, before the request is sent. Returns a body that yields the same
    /// as this one, by way of [`Probe::watch`]. If the probe is [idle](Probe::is_idle), nobody wants to know, and the
    /// body may be passed on as it is, if its type allows.
    fn observe(self, probe: Probe) -> Self::Observed;
}

/// Bodies for services that take any body.
macro_rules! wrapped {
    ($($(#[$cfg:meta])* [$($generics:tt)*] $body:ty;)*) => {$(
        $(#[$cfg])*
        impl<$($generics)*> ClientBody for $body
        where
            Self: Body,
        {
            type Observed = RequestBody<Self>;

            #[inline]
            fn observe(self, probe: Probe) -> Self::Observed {
                probe.watch(self)
            }
        }
    )*};
}

wrapped! {
    [] String;
    #[cfg(feature = "hyper")]
    [] hyper::body::Incoming;
    [D: bytes::Buf] http_body_util::Full<D>;
    [D: bytes::Buf] http_body_util::Empty<D>;
    [S] http_body_util::StreamBody<S>;
    [B] http_body_util::Limited<B>;
    [L, R] http_body_util::Either<L, R>;
    [D: bytes::Buf, E] http_body_util::combinators::BoxBody<D, E>;
    [D: bytes::Buf, E] http_body_util::combinators::UnsyncBoxBody<D, E>;
    [B, F] http_body_util::combinators::MapErr<B, F>;
    [B: Body] RequestBody<B>;
    [B: Body] crate::layer::ResponseBody<B>;
    [B: ?Sized + Body + Unpin] Box<B>;
    #[cfg(feature = "axum")]
    [] axum::body::Body;
}

/// tonic's channel takes only tonic's own body, which may hold any other.
#[cfg(feature = "tonic")]
impl ClientBody for tonic::body::Body {
    type Observed = Self;

    #[inline]
    fn observe(self, probe: Probe) -> Self {
        if probe.is_idle() { self } else { Self::new(probe.watch(self)) }
    }
}
