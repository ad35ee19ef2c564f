//! HTTP/2 by hand: frames as bytes, so that they can be wrong.

pub(crate) use crate::frame::frame;
use crate::house::House;
use crate::raw::Raw;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A header that is neither indexed nor compressed.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    assert!(name.len() < 127 && value.len() < 127, "longer ones need more than a byte of length");
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// `GET` or `POST` of a path.
pub(crate) fn head(method: &str, path: &str) -> Vec<u8> {
    let pairs = [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path)];
    pairs.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A request without a body.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", path))
}

/// A request whose body follows.
pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head("POST", path))
}

#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The number of the error of a GOAWAY or RST_STREAM.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// A client of HTTP/2 that has shaken hands.
pub(crate) struct Two(pub(crate) Raw);

impl Two {
    pub(crate) async fn connect(house: &House) -> Self {
        Self::over(house.connect().await).await
    }

    pub(crate) async fn over(mut raw: Raw) -> Self {
        raw.send(PREFACE).await;
        let mut two = Self(raw);
        two.send(frame(SETTINGS, 0, 0, &[])).await;
        two.send(frame(SETTINGS, ACK, 0, &[])).await;
        two.await_frame(|frame| frame.kind == SETTINGS && frame.flags == ACK).await;
        two
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes).await;
    }

    /// None if the server has closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let head = self.0.exactly(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = if length > 0 { self.0.exactly(length).await? } else { Vec::new() };
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads on until one is like this.
    pub(crate) async fn await_frame(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let mut passed = Vec::new();
        while let Some(frame) = self.next().await {
            if wanted(&frame) {
                return frame;
            }
            passed.push((frame.kind, frame.flags, frame.stream));
        }
        panic!("the server closed after (kind, flags, stream) {passed:?}");
    }

    /// Nothing is said of the stream for so long.
    pub(crate) async fn assert_unanswered(&mut self, stream: u32, patience: std::time::Duration) {
        let answer = self.await_frame(|frame| frame.stream == stream);
        let came = tokio::time::timeout(patience, answer).await;
        assert!(came.is_err(), "{came:?}");
    }

    /// All frames until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// The stream gets a response, which ends.
    pub(crate) async fn await_end(&mut self, stream: u32) {
        self.await_frame(|frame| {
            frame.stream == stream && matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0
        })
        .await;
    }
}
