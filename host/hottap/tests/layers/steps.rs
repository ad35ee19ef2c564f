//! Bodies that take given steps and do not know their size, for calls inside the process.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hottap::{ClientBody, Probe, RequestBody};
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};

/// Which layer is around a service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Around {
    Server,
    Client,
}
pub(crate) const BOTH: [Around; 2] = [Around::Server, Around::Client];

/// A step of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Data(&'static str),
    Bytes(&'static [u8]),
    Trailers(&'static str),
    Fails,
    /// Nothing more comes.
    Hangs,
}
use Step::{Data, Fails, Hangs, Trailers};

/// A body that takes these steps and does not know its size, unless it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) left: VecDeque<Step>,
    /// The size that it knows.
    pub(crate) size: Option<u64>,
}

impl Steps {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self { left: steps.iter().copied().collect(), size: None }
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match self.left.pop_front() {
            Some(Data(data)) => Ok(Frame::data(Bytes::from_static(data.as_bytes()))),
            Some(Step::Bytes(data)) => Ok(Frame::data(Bytes::from_static(data))),
            Some(Trailers(status)) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", value(status));
                Ok(Frame::trailers(trailers))
            }
            Some(Fails) => Err(io::Error::other("the pipe burst")),
            Some(Hangs) => {
                self.left.push_front(Hangs);
                return Poll::Pending;
            }
            None => return Poll::Ready(None),
        };
        Poll::Ready(Some(frame))
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl ClientBody for Steps {
    type Observed = RequestBody<Self>;

    fn observe(self, probe: Probe) -> Self::Observed {
        probe.watch(self)
    }
}

pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a value")
}

/// A response of HTTP/1.1 with these headers.
pub(crate) fn response(headers: &[(&'static str, &'static str)], steps: &[Step]) -> Response<Steps> {
    let mut response = Response::new(Steps::new(steps));
    for (name, text) in headers {
        response.headers_mut().append(*name, value(text));
    }
    response
}
