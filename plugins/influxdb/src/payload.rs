//! Lines on their way out: gathered into payloads below a bound, which never end inside a line.

use hottap_guest::outbox::Outlet;

/// Bytes of a payload. Servers take megabytes, but a queue with many small payloads loses less when one is refused, and
/// compressing proxies and retries like them; with much less there would be more requests than the server likes.
const MAX_PAYLOAD: usize = 256 * 1024;

/// The payload that is being filled.
#[derive(Debug)]
pub(crate) struct Payload {
    bytes: Vec<u8>,
    lines: u64,
    outlet: Outlet,
}

impl Payload {
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self { bytes: Vec::new(), lines: 0, outlet }
    }

    /// Adds a line, which `write` writes without its end. If it does not fit, what was there before is sent first.
    #[inline]
    pub(crate) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.bytes.push(b'\n');
        if self.bytes.len() > MAX_PAYLOAD {
            self.send_before(before);
        }
        self.lines += 1;
    }

    #[cold]
    fn send_before(&mut self, end: usize) {
        let line = self.bytes.split_off(end);
        self.send();
        self.bytes = line;
    }

    /// Sends what there is.
    pub(crate) fn send(&mut self) {
        if !self.bytes.is_empty() {
            self.outlet.send(&self.bytes, self.lines);
        }
        self.bytes.clear();
        self.lines = 0;
    }
}
