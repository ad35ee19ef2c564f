//! HTTP/1.1 by hand: what is unusual is served, what is wrong is refused, as RFC 9112 says.

use crate::house::House;

/// One request on a connection of its own, and what comes until the server closes.
struct Case {
    why: &'static str,
    sent: Vec<u8>,
    /// The answer begins with this; empty if there is none.
    begins: &'static str,
    /// And it ends with this.
    ends: &'static str,
    /// It is no request: there is no call, and the connection is closed for it.
    wrong: bool,
}

fn served(why: &'static str, sent: impl Into<Vec<u8>>, begins: &'static str, ends: &'static str) -> Case {
    Case { why, sent: sent.into(), begins, ends, wrong: false }
}

fn refused(why: &'static str, sent: impl Into<Vec<u8>>, begins: &'static str) -> Case {
    Case { why, sent: sent.into(), begins, ends: "", wrong: true }
}

const CLOSE: &str = "connection: close\r\n\r\n";

fn cases() -> Vec<Case> {
    let with = |line: &str| format!("GET /hello HTTP/1.1\r\nhost: x\r\n{line}\r\n{CLOSE}");
    let post = |head: &str, body: &str| format!("POST /read HTTP/1.1\r\nhost: x\r\n{head}\r\n{CLOSE}{body}");
    let chunked = |body: &str| post("transfer-encoding: chunked", body);
    vec![
        served("one request", with("a: b"), "HTTP/1.1 200 OK\r\n", "hello"),
        served("empty lines before it", format!("\r\n\r\n{}", with("a: b")), "HTTP/1.1 200", "hello"),
        served("bare line feeds", "GET /hello HTTP/1.1\nhost: x\nconnection: close\n\n", "HTTP/1.1 200", "hello"),
        served("white space around a value", with("a: \t b \t"), "HTTP/1.1 200", "hello"),
        served("bytes beyond ASCII in a value", with("a: \u{e9}"), "HTTP/1.1 200", "hello"),
        served("HTTP/1.0", "GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.0 200", "hello"),
        served("absolute form", format!("GET http://y/hello HTTP/1.1\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 200", "hello"),
        served("the star", format!("OPTIONS * HTTP/1.1\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 200", "hello"),
        served("HEAD has no body", format!("HEAD /hello HTTP/1.1\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 200", "\r\n\r\n"),
        served("a method of its own", format!("BREW /hello HTTP/1.1\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 200", "hello"),
        served("no host", format!("GET /hello HTTP/1.1\r\n{CLOSE}"), "HTTP/1.1 400", "\r\n\r\n"),
        served("two hosts", with("host: y"), "HTTP/1.1 400", "\r\n\r\n"),
        served("a body", post("content-length: 3", "abc"), "HTTP/1.1 200", "3"),
        served("two lengths that agree", post("content-length: 3\r\ncontent-length: 3", "abc"), "HTTP/1.1 200", "3"),
        served("chunks", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "HTTP/1.1 200", "5"),
        served("chunks with extensions", chunked("3;a=b;c\r\nabc\r\n0\r\n\r\n"), "HTTP/1.1 200", "3"),
        served("chunks with trailers", chunked("3\r\nabc\r\n0\r\na: b\r\n\r\n"), "HTTP/1.1 200", "3"),
        served("chunks in capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "HTTP/1.1 200", "10"),
        // RFC 9112, 6.3: the coding counts, the length is dropped, and the connection is closed afterwards.
        served(
            "a length and chunks",
            "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
            "HTTP/1.1 200",
            "\r\n\r\n3",
        ),
        served("a chunk that is too large for a number", chunked("FFFFFFFFFFFFFFFFF\r\nabc"), "HTTP/1.1 408", "read"),
        served("a chunk of nearly all there is", chunked("FFFFFFFFFFFFFFFE\r\nabc"), "HTTP/1.1 408", "read"),
        served("a chunk's size that is none", chunked("x\r\nabc"), "HTTP/1.1 408", "read"),
        served("a chunk that is longer than its size", chunked("1\r\nabc\r\n0\r\n\r\n"), "HTTP/1.1 408", "read"),
        served("a chunk with a bare line feed", chunked("3\nabc\n0\n\n"), "HTTP/1.1 408", "read"),
        served("an endless extension", chunked(&format!("3;{}\r\n", "x".repeat(40_000))), "HTTP/1.1 408", "read"),
        served("a body that breaks off", post("content-length: 10", "abc"), "HTTP/1.1 408", "read"),
        refused("two lengths that do not", post("content-length: 3\r\ncontent-length: 4", "abc"), "HTTP/1.1 400"),
        refused("a length that is a list", post("content-length: 3, 4", "abc"), "HTTP/1.1 400"),
        refused("a length below zero", post("content-length: -3", "abc"), "HTTP/1.1 400"),
        refused("a length with a plus", post("content-length: +3", "abc"), "HTTP/1.1 400"),
        refused("a length beyond all bounds", post("content-length: 99999999999999999999", ""), "HTTP/1.1 400"),
        refused("an unknown coding", post("transfer-encoding: gzip", "abc"), "HTTP/1.1 400"),
        refused("chunked is not the last coding", post("transfer-encoding: chunked, gzip", "abc"), "HTTP/1.1 400"),
        refused("a coding in HTTP/1.0", "POST /read HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.1 400"),
        refused("a folded line", with("a: b\r\n c"), "HTTP/1.1 400"),
        refused("white space before the colon", with("a : b"), "HTTP/1.1 400"),
        refused("a header without a name", with(": b"), "HTTP/1.1 400"),
        refused("a line without a colon", with("a"), "HTTP/1.1 400"),
        refused("NUL in a value", with("a: b\0c"), "HTTP/1.1 400"),
        refused("NUL in a name", with("a\0: b"), "HTTP/1.1 400"),
        refused("NUL in the path", format!("GET /\0 HTTP/1.1\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 400"),
        refused("a bare carriage return", with("a: b\rc"), "HTTP/1.1 400"),
        refused("no version", "GET /hello\r\n\r\n", "HTTP/1.1 400"),
        refused("another version", format!("GET /hello HTTP/3.7\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 400"),
        refused("no method", format!(" /hello HTTP/1.1\r\nhost: x\r\n{CLOSE}"), "HTTP/1.1 400"),
        refused("garbage", vec![0xff; 64], "HTTP/1.1 400"),
        refused("TLS where there is none", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "HTTP/1.1 400"),
        refused("a path of 70 KiB", format!("GET /{} HTTP/1.1\r\n", "x".repeat(70 << 10)), "HTTP/1.1 431"),
    ]
}

#[tokio::test]
async fn requests_are_served_or_refused_as_the_standard_says() {
    let house = House::start(|server| server).await;
    let mut wrong = Vec::new();
    for case in cases() {
        let (before, calls) = (house.connections(), house.served.finished(0).await.len());
        let mut raw = house.connect().await;
        let _ = raw.try_send(&case.sent).await;
        raw.finish().await;
        let answer = raw.rest().await;
        let seen = house.until(|seen| seen.open == 0).await;
        let calls = house.served.finished(0).await.len() - calls;
        let refused = |seen: &hottap::server::Connections| seen.closed.protocol + seen.closed.header_too_large;
        let right = answer.starts_with(case.begins)
            && answer.ends_with(case.ends)
            && calls == usize::from(!case.wrong)
            && (!case.wrong || refused(&seen) == refused(&before) + 1);
        if !right {
            wrong.push(format!("{}: {answer:?}, {calls} calls, {:?}", case.why, seen.closed));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    house.assert_serves().await;
    house.close().await;
}

#[tokio::test]
async fn requests_in_a_pipeline_are_answered_in_their_order() {
    let house = House::start(|server| server).await;
    let mut raw = house.connect().await;
    raw.send(
        "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc\
         GET /hello HTTP/1.1\r\nhost: x\r\n\r\n\
         POST /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nabcde",
    )
    .await;
    let answer = raw.rest().await;
    let bodies: Vec<&str> =
        answer.split("\r\n\r\n").skip(1).map(|part| part.split("HTTP").next().expect("one")).collect();
    assert_eq!(bodies, ["3", "hello", "5"], "{answer}");
    house.served.finished(3).await;
    house.close().await;
}

#[tokio::test]
async fn whoever_asks_before_it_sends_is_told_to_go_on() {
    let house = House::start(|server| server).await;
    let mut raw = house.connect().await;
    raw.send("POST /read HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n").await;
    assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("abc").await;
    assert!(raw.until("\r\n\r\n3").await.starts_with("HTTP/1.1 200"));
    // A handler that does not want the body does not ask for it.
    raw.send("POST /hello HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n").await;
    assert!(raw.until("hello").await.starts_with("HTTP/1.1 200"));
    house.close().await;
}

#[tokio::test]
async fn an_upgraded_connection_is_the_handlers_and_keeps_its_place() {
    let house = House::start(|server| server.max_connections(1)).await;
    let mut raw = house.connect().await;
    raw.send("GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    raw.send("another protocol").await;
    raw.until("another protocol").await;
    house.until(|seen| seen.closed.upgraded == 1).await;
    assert_eq!(house.connect().await.rest().await, "", "it is one connection still");
    assert_eq!(house.served.one().await.stats().http_status(), Some(101));
    raw.finish().await;
    raw.rest().await;
    drop(raw);
    house.close().await;
}

#[tokio::test]
async fn a_connection_is_used_again_until_somebody_wants_it_closed() {
    let house = House::start(|server| server).await;
    let mut raw = house.connect().await;
    for _ in 0..3 {
        raw.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
        raw.until("hello").await;
    }
    raw.send("GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    assert!(raw.until("hello").await.contains("connection: keep-alive"));
    raw.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(raw.rest().await.ends_with("hello"));
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!((seen.accepted, seen.closed.done), (1, 1));
    house.close().await;
}
