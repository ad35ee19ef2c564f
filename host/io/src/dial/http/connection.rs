//! A connection to a server, over which one protocol is spoken.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
#[cfg(feature = "http2")]
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

/// Bytes of a response's head, and of what hyper gathers before it writes. A head with details of an error has some
/// kilobytes; with a smaller bound it would be no response. HTTP/2's heads have the same bound by hyper's default.
const MAX_HEAD: usize = 16 << 10;
/// Header lines of a response in HTTP/1.1. Servers behind several proxies send two dozen.
const MAX_HEADERS: usize = 64;

/// The version of HTTP that a server is spoken to in. It is never negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    #[cfg(feature = "http2")]
    Http2,
}

/// An open connection; dropping it closes it. In HTTP/2 the socket is closed when the runtime next runs, in OTLP at the latest
/// with the next export.
pub(super) struct Connection {
    requests: Requests,
    driver: AbortHandle,
}

enum Requests {
    Http1(http1::SendRequest<Full<Bytes>>),
    #[cfg(feature = "http2")]
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    pub(super) async fn open<S>(protocol: Protocol, stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        // The request that waits for a response gets the connection's errors.
        Ok(match protocol {
            Protocol::Http1 => {
                let mut builder = http1::Builder::new();
                builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
                let (requests, driver) = builder.handshake(stream).await?;
                Self { requests: Requests::Http1(requests), driver: tokio::spawn(driver).abort_handle() }
            }
            #[cfg(feature = "http2")]
            Protocol::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.timer(TokioTimer::new());
                let (requests, driver) = builder.handshake(stream).await?;
                Self { requests: Requests::Http2(requests), driver: tokio::spawn(driver).abort_handle() }
            }
        })
    }

    /// Waits until it takes a request. False if it is closed.
    pub(super) async fn is_ready(&mut self) -> bool {
        match &mut self.requests {
            Requests::Http1(requests) => requests.ready().await.is_ok(),
            #[cfg(feature = "http2")]
            Requests::Http2(requests) => requests.ready().await.is_ok(),
        }
    }

    /// Sends a request and waits for the response's head.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.requests {
            Requests::Http1(requests) => requests.send_request(request).await,
            #[cfg(feature = "http2")]
            Requests::Http2(requests) => requests.send_request(request).await,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
