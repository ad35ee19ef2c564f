//! The server that spans are sent to: a process of its own, which reads requests, answers 200 and keeps nothing of them.
//!
//! It is this program again, so that its CPU time is not that of the process that is measured. It decodes what it is sent,
//! to tell how many spans came and what they looked like.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::{Deserialize, Serialize};

/// The argument that makes this program the server.
pub(crate) const ARGUMENT: &str = "--null-server";
/// A tracer flushes every second; what did not come after some of them will not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came to one path since the server began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) requests: u64,
    pub(crate) spans: u64,
    /// Bytes of bodies.
    pub(crate) bytes: u64,
    /// The last span's name and kind, and the keys of its attributes in order.
    pub(crate) last: String,
}

/// A running server. It ends with this.
pub(crate) struct NullServer {
    pub(crate) address: SocketAddr,
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl NullServer {
    /// # Errors
    /// The process does not start, or has no free port.
    pub(crate) fn start() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut process = Command::new(program).arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut answers = BufReader::new(answers);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { address, process, questions, answers })
    }

    /// Blocks until so many spans have come to a path, or no more will, and says what came. The server waits, so that
    /// waiting costs this process next to nothing.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn wait_for(&mut self, path: &str, spans: u64) -> io::Result<Taken> {
        writeln!(self.questions, "{path} {spans}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What came, by path.
#[derive(Default)]
struct Ledger {
    taken: Mutex<BTreeMap<String, Taken>>,
    more: Condvar,
}

/// Is the server, until its standard input ends.
///
/// # Errors
/// No port is free, or whoever asks is gone.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let ledger = Arc::new(Ledger::default());
    let accepting = ledger.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let ledger = accepting.clone();
            std::thread::spawn(move || {
                // It ends with the client.
                let _ = connection(&stream, &ledger);
            });
        }
    });
    for question in io::stdin().lines() {
        let question = question?;
        let (path, spans) = question.split_once(' ').unwrap_or((&question, ""));
        let spans = spans.parse().map_err(io::Error::other)?;
        println!("{}", serde_json::to_string(&ledger.wait_for(path, spans))?);
    }
    Ok(())
}

impl Ledger {
    fn wait_for(&self, path: &str, spans: u64) -> Taken {
        let came = |taken: &BTreeMap<String, Taken>| taken.get(path).map_or(0, |taken| taken.spans);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_timeout_while(taken, PATIENCE, |taken| came(taken) < spans);
        let (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        taken.get(path).cloned().unwrap_or_default()
    }

    fn add(&self, path: &str, body: &[u8]) -> io::Result<()> {
        let request = ExportTraceServiceRequest::decode(body).map_err(io::Error::other)?;
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = taken.entry(path.to_owned()).or_default();
        taken.requests += 1;
        taken.spans += spans.len() as u64;
        taken.bytes += body.len() as u64;
        if let Some(span) = spans.last() {
            let mut keys: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            keys.sort_unstable();
            taken.last = format!("{}, kind {}: {}", span.name, span.kind, keys.join(" "));
        }
        self.more.notify_all();
        Ok(())
    }
}

/// Serves one client, request by request.
fn connection(stream: &TcpStream, ledger: &Ledger) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                Some(_) => {}
                None => break,
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        ledger.add(&path, &body)?;
    }
}
