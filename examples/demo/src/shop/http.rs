//! GET and POST over a plain socket: enough for the shop on this machine, and no HTTP client for anything else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// An admin API on the same machine that takes longer than this is stuck.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No answer of the admin API comes near this; more would be somebody else's port.
const MAX_BYTES: u64 = 16 << 20;

/// The body of a successful answer to a GET.
///
/// # Errors
/// Nobody answers within 5 s, the status is not 200, or the body is no UTF-8.
pub(crate) fn get(from: SocketAddr, path: &str) -> anyhow::Result<String> {
    ask("GET", from, path)
}

/// The body of a successful answer to a POST of nothing.
///
/// # Errors
/// As for [`get`].
pub(crate) fn post(to: SocketAddr, path: &str) -> anyhow::Result<String> {
    ask("POST", to, path)
}

fn ask(method: &str, from: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&from, TIMEOUT).with_context(|| format!("nobody answers on {from}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the end of the connection is the end of the body, and nothing comes in chunks.
    let question = format!("{method} {path} HTTP/1.0\r\nhost: {from}\r\n\r\n");
    stream.write_all(question.as_bytes()).with_context(|| format!("cannot ask {from}"))?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).with_context(|| format!("no answer from {from}{path}"))?;
    let answer = String::from_utf8(answer).with_context(|| format!("{from}{path} is no text"))?;
    body(&answer).with_context(|| format!("{method} {path}")).map(str::to_owned)
}

fn body(answer: &str) -> anyhow::Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split_whitespace().nth(1) != Some("200") {
        bail!("answered {status:?}: {}", body.trim_end());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_a_200_has_a_body() {
        assert_eq!(body("HTTP/1.1 200 OK\r\na: b\r\n\r\nhello").ok(), Some("hello"));
        let error = body("HTTP/1.1 404 Not Found\r\n\r\nno such page\n").expect_err("it is not there");
        assert_eq!(error.to_string(), "answered \"HTTP/1.1 404 Not Found\": no such page");
        assert!(body("HTTP/1.1 200 OK\r\n").is_err(), "cut short");
        assert!(body("").is_err(), "empty");
    }

    #[test]
    fn a_get_reads_to_the_end_of_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let mut asked = Vec::new();
            let mut reader = BufReader::new(stream.try_clone().expect("it is open"));
            while !asked.ends_with(b"\r\n\r\n") {
                assert_ne!(reader.read_until(b'\n', &mut asked).expect("it asks"), 0, "it asks to the end");
            }
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\none two").expect("it listens");
            String::from_utf8_lossy(&asked).into_owned()
        });
        assert_eq!(get(address, "/healthz").expect("it answers"), "one two");
        assert!(server.join().expect("it ended").starts_with("GET /healthz HTTP/1.0\r\nhost: 127.0.0.1:"));
    }
}
