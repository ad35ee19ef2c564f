//! The destination of chaos: a listener on this machine that takes payloads, or fails in the way it is told to.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;

use super::plan::Mood;
use crate::demo::receiver::head;

/// A destination has one connection; beyond so many another program is knocking.
const MAX_CONNECTIONS: usize = 64;
/// The time between looks of a silent connection at whether the mood is over.
const BLINK: Duration = Duration::from_millis(20);
/// A peer that sends nothing for so long is given up, so that no thread waits for ever.
const IDLE: Duration = Duration::from_secs(30);

/// The listener; it listens as long as the process runs.
pub(super) struct Outlet {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
}

impl Outlet {
    /// Listens on a free loopback port, and takes what comes.
    ///
    /// # Errors
    /// There is none, or no thread can be started.
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let mood = Arc::new(Mutex::new(Mood::Takes));
        let shared = mood.clone();
        std::thread::Builder::new()
            .name("outlet".to_owned())
            .spawn(move || accept(&listener, &shared))
            .context("cannot start a thread")?;
        Ok(Self { address, mood })
    }

    /// Answers otherwise from now on.
    pub(super) fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// The operator's configuration with this as its one destination. Payloads are given up after two seconds, so that
    /// some are dropped and all are accounted for.
    pub(super) fn config(&self) -> String {
        format!(
            "# What the operator says: where tracers may send to, by name.\n\
             [destinations.influx]\n\
             url = \"http://{}/write?db=chaos\"\n\
             tracers = [\"influxdb\"]\n\
             timeout = \"300ms\"\n\
             retry_for = \"2s\"\n",
            self.address
        )
    }
}

fn accept(listener: &TcpListener, mood: &Arc<Mutex<Mood>>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().map_while(Result::ok) {
        if open.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (mood, at_end) = (mood.clone(), open.clone());
        let serve = move || {
            // The sender's host counts what it could not deliver.
            drop(serve(&stream, &mood));
            at_end.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("outlet-connection".to_owned()).spawn(serve).is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn serve(stream: &TcpStream, mood: &Mutex<Mood>) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(IDLE)).context("no time-out")?;
    let now = || *mood.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some((_, length)) = head(&mut reader)? {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).context("cut short")?;
        while now() == Mood::Silent {
            std::thread::sleep(BLINK);
        }
        let answer = match now() {
            Mood::Takes | Mood::Silent => "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            Mood::Busy => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            Mood::Rejects => "HTTP/1.1 400 Bad Request\r\ncontent-length: 6\r\n\r\nbroken",
            Mood::Slams => return Ok(()),
            Mood::Babbles => "220 ready\r\n\u{1b}[31m\r\n",
        };
        writer.write_all(answer.as_bytes()).context("the answer cannot be written")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn answer(outlet: &Outlet) -> String {
        let mut stream = TcpStream::connect(outlet.address).expect("it listens");
        stream.write_all(b"POST /write HTTP/1.1\r\ncontent-length: 3\r\n\r\na b").expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn it_answers_as_it_feels() {
        let outlet = Outlet::start().expect("a port is free");
        for (mood, expected) in [
            (Mood::Takes, "HTTP/1.1 204 No Content"),
            (Mood::Busy, "HTTP/1.1 503 Service Unavailable"),
            (Mood::Rejects, "HTTP/1.1 400 Bad Request"),
            (Mood::Slams, ""),
            (Mood::Babbles, "220 ready"),
        ] {
            outlet.feel(mood);
            assert_eq!(answer(&outlet), expected, "{mood:?}");
        }
        assert!(outlet.config().contains(&format!("url = \"http://{}/write", outlet.address)));
    }

    #[test]
    fn a_silent_one_answers_when_the_mood_is_over() {
        let outlet = Outlet::start().expect("a port is free");
        outlet.feel(Mood::Silent);
        let mut stream = TcpStream::connect(outlet.address).expect("it listens");
        stream.write_all(b"POST /write HTTP/1.1\r\ncontent-length: 0\r\n\r\n").expect("it reads");
        stream.set_read_timeout(Some(Duration::from_millis(60))).expect("it is open");
        assert!(stream.read(&mut [0; 16]).is_err(), "it says nothing");
        outlet.feel(Mood::Takes);
        stream.set_read_timeout(Some(IDLE)).expect("it is open");
        assert!(stream.read(&mut [0; 16]).is_ok_and(|bytes| bytes > 0));
    }
}
