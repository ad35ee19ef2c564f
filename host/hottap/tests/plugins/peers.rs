//! Real programs that tests talk to: finding them, starting and ending them, and asking them over HTTP.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Servers are up within a second or two, one in Python within half a minute; a busy machine takes longer, and nothing waits
/// longer than it must.
const PATIENCE: Duration = Duration::from_secs(180);

/// An address for a server that cannot choose one by itself. Free a moment ago; if somebody takes it in between, the
/// server ends and the test says so. It is none of the ports that systems give to whoever asks for any, as all connections
/// and other servers of the tests do: one of these would soon be taken.
pub(crate) fn free_address() -> SocketAddr {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    /// Those that were given out in this process.
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Other processes begin elsewhere.
    let begin = std::process::id().wrapping_mul(97);
    let port = || begin.wrapping_add(GIVEN.fetch_add(1, Relaxed)) % COUNT + FIRST;
    let address = || SocketAddr::from(([127, 0, 0, 1], u16::try_from(port()).expect("below 30000")));
    let mut free = (0..COUNT).map(|_| address()).filter(|address| TcpListener::bind(address).is_ok());
    free.next().expect("a free port")
}

/// Polls until there is what is wanted.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut wanted: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = wanted() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A running server. Ended when dropped; what it printed is shown if the test failed.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it, with all that it prints in a file in `directory`.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> Self {
        let log = directory.join("server.log");
        let file = File::create(&log).expect("made");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a second handle")).stderr(file);
        Self { child: command.spawn().expect("it starts"), log }
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server printed:\n{}", self.log());
        }
    }
}

/// The body of the answer to `GET path`; none unless it is a 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<String> {
    ask(address, "GET", path)
}

/// The same for a POST without a body.
pub(crate) fn post(address: SocketAddr, path: &str) -> Option<String> {
    ask(address, "POST", path)
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    // HTTP/1.0 has no chunks: the body is all that comes.
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|status| *status == "200").map(|_| body.to_owned())
}
