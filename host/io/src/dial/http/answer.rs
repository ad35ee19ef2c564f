//! A response, read within bounds.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

/// Bytes of a response's body that are read: one that names each refused line is long. A connection whose response is longer
/// is closed.
pub(super) const MAX_ANSWER: usize = 64 << 10;

/// A response, of which no more than a bounded part was read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

/// The way in which the reading of a response ended.
#[derive(Debug)]
pub enum End {
    /// It was read to its end.
    Whole,
    /// It is longer than what is read of it.
    TooLong,
    /// The connection broke.
    Broken(hyper::Error),
    /// The rest did not come in time.
    Late,
}

/// Reads the beginning of a body and its trailers.
pub(super) async fn read(mut body: Incoming, until: Instant) -> (Bytes, HeaderMap, End) {
    let (mut bytes, mut trailers) = (Vec::new(), HeaderMap::new());
    let end = timeout_at(until, async {
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => {
                    // A long response may come as one piece, and its beginning says what is wrong.
                    let room = MAX_ANSWER.saturating_sub(bytes.len());
                    bytes.extend(data.iter().take(room));
                    if data.len() > room {
                        return End::TooLong;
                    }
                }
                Ok(Err(frame)) => trailers = frame.into_trailers().unwrap_or_default(),
                Err(error) => return End::Broken(error),
            }
        }
        End::Whole
    })
    .await;
    (bytes.into(), trailers, end.unwrap_or(End::Late))
}
