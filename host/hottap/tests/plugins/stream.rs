//! Calls that stay open as long as the test wants: gRPC streams without a network, moved message by message.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hottap::{Hottap, RequestBody, ResponseBody};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use tower::{ServiceExt, service_fn};

/// A message of three bytes with its prefix.
const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";
/// Its size.
pub(crate) const SIZE: u64 = MESSAGE.len() as u64;

/// A body whose next message is always there, and whose trailers say that the call ended well.
struct Messages {
    left: Option<u64>,
}

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = self.left.map(|left| match left {
            0 => Frame::trailers(HeaderMap::from_iter([(
                HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )])),
            _ => Frame::data(Bytes::from_static(MESSAGE)),
        });
        self.left = self.left.and_then(|left| left.checked_sub(1));
        Poll::Ready(frame.map(Ok))
    }
}

/// A call that a server answers with messages, one whenever it is asked for.
pub(crate) struct OpenStream(Pin<Box<ResponseBody<Messages>>>);

impl OpenStream {
    /// Starts a call of gRPC, or of plain HTTP, that will have so many messages and then end well.
    pub(crate) fn start(tap: &Hottap, method: &str, content_type: &'static str, messages: u64) -> Self {
        let request = Request::post(format!("http://house/{method}"))
            .header("content-type", content_type)
            .body(Empty::<Bytes>::new())
            .expect("valid");
        let inside = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| async move {
            let response = Response::builder().header("content-type", content_type);
            Ok::<_, Infallible>(response.body(Messages { left: Some(messages) }).expect("valid"))
        });
        let mut response = pin!(tap.server_layer().layer(inside).oneshot(request));
        let Poll::Ready(response) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the handler answers at once");
        };
        Self(Box::pin(response.expect("succeeds").into_body()))
    }

    /// Starts a call of gRPC.
    pub(crate) fn grpc(tap: &Hottap, method: &str, messages: u64) -> Self {
        Self::start(tap, method, "application/grpc", messages)
    }

    /// Moves so many messages.
    #[track_caller]
    pub(crate) fn messages(&mut self, count: u64) {
        for _ in 0..count {
            assert!(self.frame().is_some_and(|frame| frame.is_data()), "the stream has as many messages");
        }
    }

    /// Moves what is left, to the end.
    pub(crate) fn end(mut self) {
        while self.frame().is_some() {}
    }

    fn frame(&mut self) -> Option<Frame<Bytes>> {
        match self.0.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| frame.expect("no error")),
            Poll::Pending => panic!("the next message is always there"),
        }
    }
}
