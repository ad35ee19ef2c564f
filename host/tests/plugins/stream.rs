//! Calls that stay open as long as the test wants: gRPC streams without a network, moved message by message.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use hottap::{Hottap, RequestBody, ResponseBody};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tokio_stream::Stream;
use tower::{Layer, ServiceExt, service_fn};

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A message of three bytes with its prefix.
const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";
/// Its size.
pub(crate) const SIZE: u64 = MESSAGE.len() as u64;

/// A call that a server answers with messages, one whenever it is asked for.
pub(crate) struct OpenStream(Pin<Box<ResponseBody<StreamBody<Frames>>>>);

impl OpenStream {
    /// Starts a call of gRPC, or of plain HTTP, that will have so many messages and then end well.
    pub(crate) fn start(tap: &Hottap, method: &str, content_type: &'static str, messages: u64) -> Self {
        let request = Request::post(format!("http://house/{method}"))
            .header("content-type", content_type)
            .body(Empty::<Bytes>::new())
            .expect("valid");
        let inside = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| async move {
            let message = || Ok(Frame::data(Bytes::from_static(MESSAGE)));
            let end = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
            let frames = (0..messages).map(move |_| message()).chain([Ok(Frame::trailers(end))]);
            let body = StreamBody::new(Box::pin(tokio_stream::iter(frames)) as Frames);
            Ok::<_, Infallible>(Response::new(body))
        });
        let response = block_on(tap.server_layer().layer(inside).oneshot(request)).expect("succeeds");
        Self(Box::pin(response.into_body()))
    }

    /// Starts a call of gRPC.
    pub(crate) fn grpc(tap: &Hottap, method: &str, messages: u64) -> Self {
        Self::start(tap, method, "application/grpc", messages)
    }

    /// Moves so many messages.
    #[track_caller]
    pub(crate) fn messages(&mut self, count: u64) {
        block_on(async {
            for _ in 0..count {
                let frame = self.0.frame().await.expect("a frame").expect("no error");
                assert!(frame.is_data(), "the stream has as many messages");
            }
        });
    }

    /// Moves what is left, to the end.
    pub(crate) fn end(mut self) {
        block_on(async { while self.0.frame().await.is_some() {} });
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
