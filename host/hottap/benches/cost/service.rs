//! The bare tower service that layers are put around: it takes a gRPC request and answers at once, without a network.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tower::Service;

const PATHS: [&str; 4] =
    ["/shop.v1.Checkout/Place", "/shop.v1.Checkout/Watch", "/shop.v1.Inventory/Reserve", "/shop.v1.Pricing/Quote"];
const MESSAGE: Bytes = Bytes::from_static(b"\0\0\0\0\x05hello");

/// A body of one message; a response's has trailers with the status OK after it.
pub(crate) enum Message {
    Request,
    Response,
    Trailers,
    Nothing,
}

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (frame, rest) = match *self {
            Self::Request => (Frame::data(MESSAGE), Self::Nothing),
            Self::Response => (Frame::data(MESSAGE), Self::Trailers),
            Self::Trailers => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                (Frame::trailers(trailers), Self::Nothing)
            }
            Self::Nothing => return Poll::Ready(None),
        };
        *self = rest;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// The service.
#[derive(Clone)]
pub(crate) struct Bare;

impl<B: Body<Data = Bytes>> Service<Request<B>> for Bare {
    type Response = Response<Message>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Message>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        read(request.into_body());
        let mut response = Response::new(Message::Response);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        ready(Ok(response))
    }
}

/// Polls a body to its end, as a transport does.
fn read(body: impl Body<Data = Bytes>) {
    let mut body = pin!(body);
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) {
        black_box(frame.data_ref());
    }
}

/// Requests as a transport hands them over. Making them is not what is measured.
pub(crate) fn requests(count: usize, traceparent: bool) -> Vec<Request<Message>> {
    let requests = PATHS.iter().cycle().take(count).map(|path| {
        let mut request = Request::post(*path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "grpc-rust/0.14");
        if traceparent {
            request = request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        }
        request.body(Message::Request).expect("a request")
    });
    requests.collect()
}

/// One RPC from the request's head to the end of the response's body.
#[inline(never)]
pub(crate) fn rpc<S, B>(service: &mut S, request: Request<Message>)
where
    S: Service<Request<Message>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    let mut future = pin!(service.call(request));
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) {
        read(response.into_body());
    }
}
