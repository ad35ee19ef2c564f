//! Where destinations lead to in tests: sockets that answer as a test says, or not at all; no database stands behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::net::TcpSocket;

/// Bytes of a request's head; the requests are our own.
const MAX_HEAD: u64 = 16 << 10;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A listener until the tests end.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Sink {
    /// `answer` gets each request's number, from 0, and says what is sent back before the connection is closed; none
    /// leaves it open and says nothing.
    pub(crate) fn start(answer: impl Fn(usize, &Seen) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (answer, all) = (Arc::new(answer), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, all) = (answer.clone(), all.clone());
                std::thread::spawn(move || serve(stream, &*answer, &all));
            }
        });
        Self { address, seen }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

fn lock(seen: &Mutex<Vec<Seen>>) -> MutexGuard<'_, Vec<Seen>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(usize, &Seen) -> Option<String>, all: &Mutex<Vec<Seen>>) {
    // A client that gave up in the middle is what some tests are about.
    let Some(seen) = read(&mut stream) else { return };
    let number = {
        let mut all = lock(all);
        all.push(seen.clone());
        all.len() - 1
    };
    match answer(number, &seen) {
        Some(answer) => drop(stream.write_all(answer.as_bytes())),
        None => drop(stream.read(&mut [0])),
    }
}

fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    for line in Read::take(&mut reader, MAX_HEAD).lines() {
        let line = line.ok()?;
        if line.is_empty() {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            return Some(Seen { at: Instant::now(), head, body: String::from_utf8(body).ok()? });
        }
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            length = value.trim().parse().ok()?;
        }
        head += &(line + "\n");
    }
    None
}

/// A port where every connection is refused, and which nobody else gets meanwhile: bound, and not listened on.
pub(crate) struct Refuses {
    pub(crate) address: SocketAddr,
    _socket: TcpSocket,
}

impl Refuses {
    pub(crate) fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        Self { address: socket.local_addr().expect("it is bound"), _socket: socket }
    }
}
