//! Foreign bytes as numbers and pieces, taken one after the other; what is not there is 0 or empty.

/// The rest of an input.
pub(super) struct Bytes<'d>(&'d [u8]);

impl<'d> Bytes<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.piece(1).first().copied().unwrap_or(0)
    }

    /// At most so many bytes.
    pub(super) fn piece(&mut self, most: usize) -> &'d [u8] {
        let (piece, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'d [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Header lines, `name: value` each; lines that are none are passed over.
pub(super) fn headers(lines: &[u8]) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        let name = http::HeaderName::from_bytes(name.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    headers
}
