//! The application's own status of a call that succeeded as an RPC, and who tells it (Kitex's BizStatusErr).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::{Extensions, HeaderMap, Response, StatusCode};

use crate::rpc::{MAX_MESSAGE_BYTES, cut};

/// What the application says of a call that succeeded as an RPC: the order was refused, the stock is too low.
///
/// A handler puts it into the extensions of its response (with tonic: `tonic::Response::extensions_mut`), and the
/// [`ServerLayer`](crate::layer::ServerLayer) finds it there when the response's head passes; later is too late. With a code that
/// is not 0 the call's outcome is [`BusinessError`](crate::rpc::Outcome::BusinessError), unless the RPC itself failed. It
/// is not sent to the client.
///
/// ```
/// # fn handle() -> http::Response<&'static str> {
/// let mut response = http::Response::new("sold out");
/// response.extensions_mut().insert(hottap::BusinessStatus::new(40_901, "sold out"));
/// # response
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessStatus {
    code: i32,
    message: Arc<str>,
}

impl BusinessStatus {
    /// A status; 0 is success. At most 1 KiB of the message is kept.
    #[must_use]
    pub fn new(code: i32, message: &str) -> Self {
        let message = if message.len() > MAX_MESSAGE_BYTES { cut(message, MAX_MESSAGE_BYTES) } else { message };
        Self { code, message: message.into() }
    }

    /// The code; 0 is success.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The status in words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The head of a response, as a [`Classify`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> ResponseHead<'a> {
    fn of<B>(response: &'a Response<B>) -> Self {
        Self { status: response.status(), headers: response.headers(), extensions: response.extensions() }
    }

    /// The status of HTTP.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What services inside of the layer added to the response.
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}

/// Tells the application's own status from the head of a response.
///
/// Called once for each response of a call that is traced, on the RPC's own thread, before the response goes on: it must be
/// quick, and must not block. A panic in it is caught; then nothing was told. Closures are classifiers:
///
/// ```
/// # use hottap::{BusinessStatus, Hottap, ResponseHead};
/// # fn layer(tap: &Hottap) -> hottap::ClientLayer {
/// tap.client_layer().with_business_status(|head: &ResponseHead<'_>| {
///     let code = head.headers().get("x-shop-status")?.to_str().ok()?.parse().ok()?;
///     Some(BusinessStatus::new(code, ""))
/// })
/// # }
/// ```
pub trait Classify: Send + Sync + 'static {
    /// The status; none if the response does not tell one.
    fn classify(&self, head: &ResponseHead<'_>) -> Option<BusinessStatus>;
}

/// Asks a classifier, whose panic is not the call's.
pub(crate) fn ask<B>(classify: &dyn Classify, response: &Response<B>) -> Option<BusinessStatus> {
    let head = ResponseHead::of(response);
    catch_unwind(AssertUnwindSafe(|| classify.classify(&head))).ok().flatten()
}

impl<F> Classify for F
where
    F: Fn(&ResponseHead<'_>) -> Option<BusinessStatus> + Send + Sync + 'static,
{
    fn classify(&self, head: &ResponseHead<'_>) -> Option<BusinessStatus> {
        self(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_bounded() {
        let status = BusinessStatus::new(-7, &"é".repeat(9_000));
        assert_eq!((status.code(), status.message().len()), (-7, MAX_MESSAGE_BYTES));
        assert_eq!(BusinessStatus::new(1, "sold out").message(), "sold out");
    }
}
