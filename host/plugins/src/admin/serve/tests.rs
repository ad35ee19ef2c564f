//! The admin port under real sockets: answers, bounds, the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream as StdStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::oneshot;

use super::*;
use crate::admin::{Act, Acted, By, Command, Outcome, Report, Token, Verb};

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

/// Answers with what it is given; `/metrics` does as the test says.
struct Told(Box<dyn Fn() -> String + Send + Sync>);

impl Report for Told {
    fn metrics(&self) -> String {
        (self.0)()
    }

    fn tracers(&self) -> serde_json::Value {
        serde_json::json!([])
    }

    fn dead(&self, _: &str) -> Option<serde_json::Value> {
        None
    }

    fn destinations(&self) -> serde_json::Value {
        serde_json::json!({ "destinations": [] })
    }
}

impl Act for Told {
    fn off(&self) -> Option<String> {
        None
    }

    fn token(&self) -> Token {
        Token::None
    }

    fn act(&self, command: &Command, by: By) -> oneshot::Receiver<Acted> {
        let (answer, acted) = oneshot::channel();
        if command.verb != Verb::Rollback {
            answer.send(Outcome::Done.into()).expect("it is waited for");
        } else {
            // As if the supervisor did not come to it.
            STUCK.lock().expect("whole").push(answer);
        }
        assert!(by.peer.is_some_and(|peer| peer.ip().is_loopback()), "{by:?}");
        acted
    }

    fn refused(&self, _: Verb, _: Option<SocketAddr>, _: &str) {}
}

static STUCK: Mutex<Vec<oneshot::Sender<Acted>>> = Mutex::new(Vec::new());

#[track_caller]
fn server(bounds: Bounds, metrics: impl Fn() -> String + Send + Sync + 'static) -> AdminServer {
    let service = AdminService::new(Arc::new(Told(Box::new(metrics))));
    serve_within(bounds, "127.0.0.1:0", service).expect("a free port")
}

#[track_caller]
fn connect(server: &AdminServer) -> StdStream {
    let stream = StdStream::connect(server.local_addr().expect("it listens")).expect("an open port");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// What the peer sends until it closes.
#[track_caller]
fn read_all(mut stream: &StdStream) -> String {
    let mut text = Vec::new();
    if let Err(error) = stream.read_to_end(&mut text) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// One answer on a connection that stays open.
#[track_caller]
fn ask(stream: &StdStream, path: &str) -> String {
    exchange(stream, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
}

/// The same for any request.
#[track_caller]
fn exchange(mut stream: &StdStream, head: &str) -> String {
    stream.write_all(head.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8(body).expect("text")
}

#[test]
fn a_port_of_its_own_answers_on_one_connection_and_on_many() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    assert_ne!(server.local_addr().expect("it listens").port(), 0);
    let stream = connect(&server);
    for _ in 0..3 {
        assert!(ask(&stream, "/metrics?x").ends_with("\r\n\r\na 1\n"));
        assert!(ask(&stream, "/api/tracers").ends_with("\r\n\r\n[]\n"));
        assert!(ask(&connect(&server), "/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(ask(&stream, "/nothing").starts_with("HTTP/1.1 404 Not Found\r\n"));
    }
    assert!(server.shutdown(PATIENCE));
}

#[test]
fn head_has_the_length_of_the_body_that_get_would_have() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    let mut stream = connect(&server);
    stream.write_all(b"HEAD /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("a request");
    let answer = read_all(&stream);
    assert!(answer.contains("content-length: 4\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_request_body_is_not_waited_for() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    let mut stream = connect(&server);
    stream.write_all(b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc").expect("a request");
    let answer = read_all(&stream);
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[test]
fn an_action_of_a_peer_on_this_machine_is_taken_and_answered_in_time() {
    let server = server(Bounds { answer: SHORT, ..BOUNDS }, || "a 1\n".to_owned());
    let stream = connect(&server);
    for (path, host, expected) in [
        ("/api/tracers/a/pause", "localhost", "200 OK"),
        ("/api/tracers/a/pause", "evil.example", "403 Forbidden"),
        ("/api/pause", "127.0.0.1:1", "200 OK"),
        ("/api/tracers/a/rollback", "localhost", "202 Accepted"),
        ("/api/tracers/a/reload", "[::1]", "200 OK"),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let answer = exchange(&stream, &head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}\r\n")), "{path} {host}: {answer}");
    }
    assert!(ask(&stream, "/healthz").ends_with("ok\n"), "the connection goes on");
    let mut stream = connect(&server);
    stream
        .write_all(b"POST /api/pause HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nabc")
        .expect("sent");
    assert!(read_all(&stream).starts_with("HTTP/1.1 200 OK\r\n"), "a body is not waited for");
}

#[test]
fn whoever_sends_slowly_or_nothing_is_closed() {
    let server = server(Bounds { head: SHORT, ..BOUNDS }, || "a 1\n".to_owned());
    let mut slow = connect(&server);
    slow.write_all(b"GET /metrics HTTP/1.1\r\nhost: ").expect("half a request");
    let silent = connect(&server);
    let idle = connect(&server);
    assert!(ask(&idle, "/healthz").ends_with("ok\n"));
    for stream in [slow, silent, idle] {
        let rest = read_all(&stream);
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408 "), "{rest}");
    }
    assert!(ask(&connect(&server), "/healthz").ends_with("ok\n"), "the others are answered");
}

#[test]
fn whoever_asks_and_never_reads_is_closed() {
    let page = 64 << 20;
    let server = server(Bounds { life: SHORT, last: SHORT, ..BOUNDS }, move || "a".repeat(page));
    let mut stream = connect(&server);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request");
    // The end of another connection's life shows that this one's, which is older, has been reached too.
    read_all(&connect(&server));
    read_all(&connect(&server));
    read_all(&connect(&server));
    let got = read_all(&stream).len();
    assert!(got < page, "all {got} bytes fit somewhere");
}

#[test]
fn one_connection_too_many_closes_the_oldest_and_is_answered() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    let held: Vec<StdStream> = (0..BOUNDS.connections).map(|_| connect(&server)).collect();
    let one_more = connect(&server);
    assert!(ask(&one_more, "/healthz").ends_with("ok\n"));
    assert_eq!(read_all(&held[0]), "");
    for stream in &held[1..] {
        assert!(ask(stream, "/healthz").ends_with("ok\n"), "the others were left alone");
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(4 * MAX_HEAD_BYTES));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
    for request in [huge, many] {
        let mut stream = connect(&server);
        // It may be closed before all of it was sent.
        let _ = stream.write_all(request.as_bytes());
        let answer = read_all(&stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert!(ask(&connect(&server), "/healthz").ends_with("ok\n"));
}

#[test]
fn garbage_and_tls_are_answered_with_400_or_nothing() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(&server);
        stream.write_all(bytes).expect("some bytes");
        let _ = stream.shutdown(Shutdown::Write);
        let answer = read_all(&stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(ask(&connect(&server), "/healthz").ends_with("ok\n"));
}

#[test]
fn a_report_that_panics_is_a_500_on_its_connection_alone() {
    let server = server(BOUNDS, || std::panic::resume_unwind(Box::new("a report that panics")));
    let kept = connect(&server);
    assert!(ask(&kept, "/healthz").ends_with("ok\n"));
    let mut stream = connect(&server);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("a request");
    let answer = read_all(&stream);
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("a report that panics"), "{answer}");
    assert!(ask(&kept, "/healthz").ends_with("ok\n"));
    assert!(server.shutdown(PATIENCE));
}

#[test]
fn shutdown_closes_the_port_and_idle_connections_and_joins() {
    let server = server(Bounds { head: PATIENCE, last: PATIENCE, ..BOUNDS }, || "a 1\n".to_owned());
    let address = server.local_addr().expect("it listens");
    let (used, unused) = (connect(&server), connect(&server));
    assert!(ask(&used, "/healthz").ends_with("ok\n"));
    let begun = Instant::now();
    assert!(server.shutdown(PATIENCE));
    assert!(begun.elapsed() < PATIENCE, "nothing was in flight");
    assert_eq!((read_all(&used), read_all(&unused)), (String::new(), String::new()));
    assert!(StdStream::connect(address).is_err(), "the port is closed");
}

#[test]
fn shutdown_lets_an_answer_in_flight_finish() {
    // More than the buffers between the two take, so that it is in flight for as long as nobody reads.
    let page = 64 << 20;
    let server = server(BOUNDS, move || "a".repeat(page));
    let address = server.local_addr().expect("it listens");
    let mut stream = connect(&server);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request");
    stream.read_exact(&mut [0]).expect("the first byte");
    let shutdown = thread::spawn(move || server.shutdown(PATIENCE));
    while StdStream::connect(address).is_ok() {
        thread::yield_now();
    }
    let answer = read_all(&stream);
    assert!(answer.ends_with("aaaa") && answer.len() > page, "{} bytes", answer.len());
    assert!(shutdown.join().expect("no panic"));
}

#[test]
fn shutdown_does_not_wait_for_a_report_that_hangs() {
    let (release, hang) = mpsc::channel::<()>();
    let (entered, in_report) = mpsc::channel();
    let (hang, entered) = (Mutex::new(hang), Mutex::new(entered));
    let server = server(BOUNDS, move || {
        let _ = entered.lock().map(|entered| entered.send(()));
        let _ = hang.lock().map(|hang| hang.recv());
        String::new()
    });
    let mut stream = connect(&server);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request");
    in_report.recv().expect("a request that hangs");
    assert!(!server.shutdown(SHORT));
    drop(release);
    read_all(&stream);
}

#[test]
fn dropping_the_handle_closes_the_port() {
    let server = server(BOUNDS, || "a 1\n".to_owned());
    let stream = connect(&server);
    drop(server);
    assert_eq!(read_all(&stream), "");
}

#[test]
fn it_starts_and_stops_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let server = server(BOUNDS, || "a 1\n".to_owned());
        assert!(ask(&connect(&server), "/healthz").ends_with("ok\n"));
        assert!(server.shutdown(PATIENCE));
    });
}

#[test]
fn an_address_that_cannot_be_had_says_what_to_do() {
    let taken = StdListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, _taken) = taken.expect("a free port");
    let service = || AdminService::new(Arc::new(Told(Box::new(String::new))));
    for (address, expected) in [
        (address.to_string(), "give another port, or 0 for any that is free"),
        ("192.0.2.1:0".to_owned(), "it is no address of this machine"),
        ("nothing".to_owned(), "such as 127.0.0.1:9600"),
        ("127.0.0.1:99999".to_owned(), "such as 127.0.0.1:9600"),
    ] {
        let error = serve(&*address, service()).expect_err("no server");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(&address), "{text}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert!(serve(SocketAddr::from(([127, 0, 0, 1], 0)), service()).is_ok(), "an address that is no text");
}

fn told(page: &'static str) -> AdminService {
    AdminService::new(Arc::new(Told(Box::new(move || page.to_owned()))))
}

#[test]
fn a_port_in_use_is_opened_once_it_is_free() {
    let taken = StdListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let server = serve_or_retry_every(SHORT, address.to_string(), told("a 1\n")).expect("a later attempt may succeed");
    assert_eq!(server.local_addr(), None);
    drop(taken);
    let begun = Instant::now();
    while server.local_addr().is_none() {
        assert!(begun.elapsed() < PATIENCE, "it is free");
        thread::yield_now();
    }
    assert_eq!(server.local_addr(), Some(address));
    assert!(ask(&connect(&server), "/metrics").ends_with("a 1\n"));
    assert!(server.shutdown(PATIENCE));
}

#[test]
fn a_server_that_waits_for_its_port_ends_when_it_is_told_to_and_when_it_is_dropped() {
    let taken = StdListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let waiting = || serve_or_retry_every(PATIENCE, address.clone(), told("")).expect("a later attempt may succeed");
    let (told, dropped) = (waiting(), waiting());
    let begun = Instant::now();
    assert!(told.shutdown(PATIENCE));
    let AdminServer { ended, thread, stop, .. } = dropped;
    drop(stop);
    ended.recv().expect("it ends");
    thread.join().expect("no panic");
    assert!(begun.elapsed() < PATIENCE, "it did not wait for the next attempt");
}

#[test]
fn what_is_no_address_is_not_tried_again() {
    for address in ["nothing", "127.0.0.1:99999", ""] {
        assert!(serve_or_retry(address.to_owned(), told("")).is_none(), "{address}");
    }
    let server = serve_or_retry("127.0.0.1:0".to_owned(), told("")).expect("a free port");
    assert!(server.local_addr().is_some());
}
