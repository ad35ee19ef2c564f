//! Where the demo's tracers send to: a listener on this machine that takes line protocol and OTLP over HTTP/1.1. It is
//! no database: it keeps the first of what came, to be shown.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};

use super::otlp::{self, Span};

/// Lines that are kept; what is shown are the first few.
const MAX_LINES: usize = 1_000;
/// Spans that are kept: those of some hundred traces, among them many that are complete.
const MAX_SPANS: usize = 5_000;
/// Bytes of a request's head.
const MAX_HEAD: u64 = 16 << 10;
/// Bytes of a payload: far above what the tracers send at once.
const MAX_BODY: u64 = 4 << 20;
/// A destination has one connection; beyond so many somebody else is knocking.
const MAX_CONNECTIONS: usize = 16;

/// The listener; it listens as long as the demo runs.
pub(super) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    lines: Vec<String>,
    spans: Vec<Span>,
}

impl Receiver {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// There is none, or no thread can be started.
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let received = Arc::<Mutex<Received>>::default();
        let shared = received.clone();
        std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || accept(&listener, &shared))
            .context("cannot start a thread")?;
        Ok(Self { address, received })
    }

    /// The operator's configuration with this as two destinations, each for one tracer.
    pub(super) fn config(&self) -> String {
        let address = self.address;
        format!(
            "# What the operator says: where tracers may send to, by name.\n\
             [destinations.influx]\n\
             url = \"http://{address}/write?db=shop\"\n\
             tracers = [\"influxdb\"]\n\
             \n\
             [destinations.otlp]\n\
             url = \"http://{address}/v1/traces\"\n\
             tracers = [\"rpc-span\"]\n"
        )
    }

    /// The first lines that came.
    pub(super) fn lines(&self) -> Vec<String> {
        lock(&self.received).lines.clone()
    }

    /// The first spans that came.
    pub(super) fn spans(&self) -> Vec<Span> {
        lock(&self.received).spans.clone()
    }
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, received: &Arc<Mutex<Received>>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().map_while(Result::ok) {
        if open.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (received, at_end) = (received.clone(), open.clone());
        let serve = move || {
            // Whoever sent nonsense, or went away, is gone with the connection; the sender's host counts it.
            drop(serve(&stream, &received));
            at_end.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("receiver-connection".to_owned()).spawn(serve).is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Answers the requests of one connection until it ends.
fn serve(stream: &TcpStream, received: &Mutex<Received>) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some((path, length)) = head(&mut reader)? {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).context("cut short")?;
        let status = lock(received).take(&path, &body);
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").context("the answer cannot be written")?;
    }
    Ok(())
}

/// The path and the body's length of the next request; none at the end.
pub(crate) fn head(reader: &mut impl BufRead) -> anyhow::Result<Option<(String, usize)>> {
    let mut lines = Read::take(reader, MAX_HEAD).lines();
    let Some(first) = lines.next() else { return Ok(None) };
    let first = first.context("no text")?;
    let path = first.strip_prefix("POST ").and_then(|rest| rest.split([' ', '?']).next()).context("no POST")?;
    let mut length = 0;
    for line in lines {
        let line = line.context("no text")?;
        if line.is_empty() {
            if length > MAX_BODY {
                bail!("a body of {length} bytes");
            }
            return Ok(Some((path.to_owned(), usize::try_from(length)?)));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().context("content-length is no number")?;
        }
    }
    bail!("the head is longer than {MAX_HEAD} bytes, or cut short")
}

impl Received {
    /// Keeps a payload, and says how it is answered.
    fn take(&mut self, path: &str, body: &[u8]) -> &'static str {
        match (path, std::str::from_utf8(body), otlp::spans(body)) {
            ("/write", Ok(text), _) => {
                let room = MAX_LINES.saturating_sub(self.lines.len());
                self.lines.extend(text.lines().take(room).map(str::to_owned));
                "204 No Content"
            }
            ("/v1/traces", _, Some(spans)) => {
                let room = MAX_SPANS.saturating_sub(self.spans.len());
                self.spans.extend(spans.into_iter().take(room));
                "200 OK"
            }
            ("/write" | "/v1/traces", ..) => "400 Bad Request",
            _ => "404 Not Found",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_where_to_and_how_much() {
        let read = |mut text: &[u8]| head(&mut text).map_err(|error| error.to_string());
        let post = "POST /write?db=shop HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\n\r\na b";
        assert_eq!(read(post.as_bytes()), Ok(Some(("/write".to_owned(), 3))));
        assert_eq!(read(b""), Ok(None), "the connection ended");
        assert!(read(b"GET / HTTP/1.1\r\n\r\n").is_err());
        assert!(read(b"POST /write HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n").is_err());
        assert!(read(b"POST /write HTTP/1.1\r\n").is_err(), "cut short");
    }

    #[test]
    fn payloads_are_taken_on_one_connection_after_the_other() {
        let receiver = Receiver::start().expect("a port is free");
        let mut stream = TcpStream::connect(receiver.address).expect("it listens");
        let mut answers = BufReader::new(stream.try_clone().expect("it is open")).lines();
        for (path, body, status) in [
            ("/write", "rpc count=1i 1\nrpc count=2i 2\n", "HTTP/1.1 204 No Content"),
            ("/v1/traces", "no protobuf", "HTTP/1.1 400 Bad Request"),
            ("/v1/traces", "", "HTTP/1.1 200 OK"),
            ("/elsewhere", "", "HTTP/1.1 404 Not Found"),
        ] {
            let length = body.len();
            write!(stream, "POST {path} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}").expect("it reads");
            let answer: Vec<String> =
                answers.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            assert_eq!(answer, [status, "content-length: 0"], "{path}");
        }
        assert_eq!(receiver.lines(), ["rpc count=1i 1", "rpc count=2i 2"]);
        assert_eq!(receiver.spans(), []);
    }
}
