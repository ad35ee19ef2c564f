//! HTTP/2 by hand: whoever breaks its rules is told which (RFC 9113), and nobody else notices.

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, PUSH_PROMISE,
    RST_STREAM, SETTINGS, Two, WINDOW_UPDATE, frame, get, head, literal, post,
};
use crate::house::House;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

/// How the server tells that something was wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    /// The connection ends, with this error.
    Connection(u32),
    /// The stream ends, with this error.
    Stream(u32),
    /// The stream has a response, whatever it says.
    Answer,
    /// The connection ends without a word.
    Closed,
}

use Told::{Answer, Closed, Connection, Stream};

/// The standard has a closer word for some of these (FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED,
/// COMPRESSION_ERROR); h2 says this one, and ends the connection as it is to be ended.
const BLUNT: &[Told] = &[Connection(PROTOCOL_ERROR)];

fn told(frame: &Frame) -> Option<Told> {
    match frame.kind {
        // No error: it only says goodbye.
        GOAWAY if frame.code() == 0 => None,
        GOAWAY => Some(Connection(frame.code())),
        RST_STREAM => Some(Stream(frame.code())),
        HEADERS => Some(Answer),
        _ => None,
    }
}

type Case = (&'static str, Vec<u8>, &'static [Told]);

fn setting(number: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&number.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// Frames that break a rule of the connection or of its streams.
fn frames() -> Vec<Case> {
    let unfinished = frame(HEADERS, 0, 1, &head("GET", "/hello"));
    let two = |first: &[u8], second: &[u8]| [first, second].concat();
    vec![
        ("data on stream 0", frame(DATA, 0, 0, b"x"), &[Connection(PROTOCOL_ERROR)]),
        ("a head on stream 0", frame(HEADERS, END_HEADERS, 0, &head("GET", "/")), &[Connection(PROTOCOL_ERROR)]),
        ("a reset on stream 0", frame(RST_STREAM, 0, 0, &[0; 4]), &[Connection(PROTOCOL_ERROR)]),
        ("settings on a stream", frame(SETTINGS, 0, 1, &[]), &[Connection(PROTOCOL_ERROR)]),
        ("a ping on a stream", frame(PING, 0, 1, &[0; 8]), &[Connection(PROTOCOL_ERROR)]),
        ("a goodbye on a stream", frame(GOAWAY, 0, 1, &[0; 8]), &[Connection(PROTOCOL_ERROR)]),
        ("a frame beyond 16 KiB", frame(DATA, 0, 1, &[0; 16_385]), &[Connection(FRAME_SIZE_ERROR)]),
        ("a ping of 7 bytes", frame(PING, 0, 0, &[0; 7]), BLUNT),
        ("settings of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5]), BLUNT),
        ("acknowledged settings with settings", frame(SETTINGS, ACK, 0, &[0; 6]), BLUNT),
        ("a window update of 3 bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), BLUNT),
        ("push that is neither on nor off", setting(2, 2), &[Connection(PROTOCOL_ERROR)]),
        ("a window beyond 2^31", setting(4, 1 << 31), BLUNT),
        ("frames of at most 0 bytes", setting(5, 0), &[Connection(PROTOCOL_ERROR)]),
        ("data on a stream that was never opened", frame(DATA, 0, 1, b"x"), &[Connection(PROTOCOL_ERROR)]),
        ("a reset of one", frame(RST_STREAM, 0, 1, &[0; 4]), &[Connection(PROTOCOL_ERROR)]),
        ("a window update of one", update(1, 1), &[Connection(PROTOCOL_ERROR)]),
        ("a stream with an even number", get(2, "/hello"), &[Connection(PROTOCOL_ERROR)]),
        (
            "a stream with a number that is past",
            two(&get(5, "/hello"), &get(3, "/hello")),
            &[Connection(PROTOCOL_ERROR), Connection(STREAM_CLOSED), Stream(STREAM_CLOSED)],
        ),
        ("data after the end", two(&get(1, "/hang"), &frame(DATA, 0, 1, b"x")), BLUNT),
        ("a second head after the end", two(&get(1, "/hang"), &get(1, "/hello")), BLUNT),
        ("a promise from a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), &[Connection(PROTOCOL_ERROR)]),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[]), &[Connection(PROTOCOL_ERROR)]),
        ("data inside of a head", two(&unfinished, &frame(DATA, 0, 1, b"x")), &[Connection(PROTOCOL_ERROR)]),
        ("another head inside of a head", two(&unfinished, &get(3, "/")), &[Connection(PROTOCOL_ERROR)]),
        (
            "a continuation of another stream's head",
            two(&unfinished, &frame(CONTINUATION, END_HEADERS, 3, &[])),
            &[Connection(PROTOCOL_ERROR)],
        ),
        ("no window update at all", update(0, 0), &[Connection(PROTOCOL_ERROR)]),
        ("a connection's window beyond 2^31", update(0, 0x7fff_ffff), &[Connection(FLOW_CONTROL_ERROR)]),
        (
            "a stream's window beyond 2^31",
            two(&get(1, "/hang"), &update(1, 0x7fff_ffff)),
            &[Stream(FLOW_CONTROL_ERROR), Connection(FLOW_CONTROL_ERROR)],
        ),
        (
            "a header out of a table that has none",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0x03]),
            BLUNT,
        ),
        ("the header number 0", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x80]), BLUNT),
        ("padding beyond the frame", frame(DATA, 8, 1, &[9, 0]), &[Connection(PROTOCOL_ERROR)]),
        ("a priority of 4 bytes", two(&post(1, "/hang"), &frame(PRIORITY, 0, 1, &[0; 4])), BLUNT),
    ]
}

/// Heads that are none of a request.
fn heads() -> Vec<Case> {
    // A stream's error may be treated as one of the connection (RFC 9113, 5.4.2).
    const MALFORMED: &[Told] = &[Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)];
    let of = |headers: Vec<u8>| frame(HEADERS, END_HEADERS | END_STREAM, 1, &headers);
    let with = |name: &str, value: &str| of([head("GET", "/hello"), literal(name, value)].concat());
    let pairs = |pairs: &[(&str, &str)]| of(pairs.iter().flat_map(|(name, value)| literal(name, value)).collect());
    let long = [
        frame(HEADERS, END_HEADERS, 1, &[head("POST", "/read"), literal("content-length", "1")].concat()),
        frame(DATA, END_STREAM, 1, b"two"),
    ];
    vec![
        ("an unknown pseudo-header", with(":unknown", "x"), MALFORMED),
        ("a response's pseudo-header", with(":status", "200"), MALFORMED),
        ("a name in capitals", with("X-Capital", "x"), MALFORMED),
        ("a header of the connection", with("connection", "keep-alive"), MALFORMED),
        ("a coding of HTTP/1.1", with("transfer-encoding", "chunked"), MALFORMED),
        ("te that is not trailers", with("te", "gzip"), MALFORMED),
        ("a line break in a value", with("x", "a\r\nb"), MALFORMED),
        ("a pseudo-header twice", with(":path", "/again"), MALFORMED),
        ("no method", pairs(&[(":scheme", "http"), (":path", "/")]), MALFORMED),
        ("no scheme", pairs(&[(":method", "GET"), (":path", "/")]), MALFORMED),
        ("no path", pairs(&[(":method", "GET"), (":scheme", "http"), (":authority", "x")]), MALFORMED),
        ("an empty path", pairs(&[(":method", "GET"), (":scheme", "http"), (":path", "")]), MALFORMED),
        (
            "a pseudo-header after others",
            pairs(&[(":method", "GET"), ("x", "y"), (":scheme", "http"), (":path", "/")]),
            MALFORMED,
        ),
        ("a body longer than it says", long.concat(), &[Stream(PROTOCOL_ERROR), Answer]),
    ]
}

#[tokio::test]
async fn frames_that_break_a_rule_end_what_they_belong_to() {
    let house = House::start(|server| server).await;
    let mut neighbour = Two::connect(&house).await;
    neighbour.send(get(1, "/wait")).await;
    house.handler.reached.notified().await;
    let (mut wrong, second) = (Vec::new(), frame(PING, 0, 0, b"and now?"));
    for (why, sent, expected) in frames().into_iter().chain(heads()) {
        let mut two = Two::connect(&house).await;
        let _ = two.0.try_send(&sent).await;
        // So that who is still there says so; twice, because the first answer may overtake what is told of a stream.
        let _ = two.0.try_send(frame(PING, 0, 0, b"are you?")).await;
        let seen = loop {
            match two.next().await {
                Some(frame) if frame.kind == PING && frame.payload == b"are you?" => {
                    let _ = two.0.try_send(&second).await;
                }
                Some(frame) if frame.kind == PING && frame.flags == ACK => break None,
                Some(frame) if told(&frame).is_some() => break told(&frame),
                Some(_) => {}
                None => break Some(Closed),
            }
        };
        if !seen.is_some_and(|seen| expected.contains(&seen)) {
            wrong.push(format!("{why}: {seen:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let seen = house.until(|seen| seen.open == 1).await;
    assert!(seen.closed.protocol >= 25, "{seen:?}");
    house.handler.go.notify_one();
    neighbour.await_end(1).await;
    drop(neighbour);
    house.close().await;
}

#[tokio::test]
async fn whoever_does_not_begin_as_http2_does_is_let_go() {
    let house = House::start(|server| server).await;
    let (ping, hello) = (frame(PING, 0, 0, &[0; 8]), get(1, "/hello"));
    for (why, sent) in [
        ("another preface", &[&PREFACE[..16], b"XX\r\n\r\nSM\r\n\r\n"].concat()),
        ("no settings but a ping", &[PREFACE, &ping].concat()),
        ("no settings but a request", &[PREFACE, &hello].concat()),
    ] {
        let mut raw = house.connect().await;
        raw.send(sent).await;
        raw.finish().await;
        raw.rest_of_bytes().await;
        let seen = house.until(|seen| seen.open == 0).await;
        assert_eq!(seen.closed.total(), seen.accepted, "{why}");
    }
    house.assert_serves().await;
    house.close().await;
}

/// Sends as much of it as the server takes, while what comes is read away; the error with which the connection ended, if
/// it did.
async fn flood(house: &House, piece: Vec<u8>, times: usize) -> Option<Told> {
    let mut two = Two::connect(house).await;
    for _ in 0..times {
        let sent = tokio::time::timeout(std::time::Duration::from_millis(50), two.0.try_send(&piece)).await;
        // It takes no more because its answers are not read, or because it has closed.
        if sent != Ok(true) {
            break;
        }
    }
    let _ = two.0.try_send(frame(PING, 0, 0, b"are you?")).await;
    loop {
        match two.next().await {
            Some(frame) if frame.kind == PING && frame.flags == ACK && frame.payload == b"are you?" => return None,
            Some(frame) if frame.kind == GOAWAY && frame.code() != 0 => return told(&frame),
            Some(_) => {}
            None => return Some(Closed),
        }
    }
}

#[tokio::test]
async fn floods_of_small_frames_are_borne_or_ended() {
    let house = House::start(|server| server).await;
    let mut neighbour = Two::connect(&house).await;
    neighbour.send(get(1, "/wait")).await;
    house.handler.reached.notified().await;

    let resets: Vec<u8> = (0..2_000)
        .flat_map(|i| [get(2 * i + 1, "/hang"), frame(RST_STREAM, 0, 2 * i + 1, &8_u32.to_be_bytes())].concat())
        .collect();
    assert_eq!(flood(&house, resets, 1).await, Some(Connection(ENHANCE_YOUR_CALM)), "rapid reset");

    let errors: Vec<u8> = (0..4_000).flat_map(|i| [post(2 * i + 1, "/hang"), update(2 * i + 1, 0)].concat()).collect();
    let seen = flood(&house, errors, 1).await;
    assert!(matches!(seen, Some(Connection(_) | Closed)), "streams that the server has to reset: {seen:?}");

    let endless = [frame(HEADERS, 0, 1, &head("GET", "/hello")), frame(CONTINUATION, 0, 1, &[]).repeat(4_000)].concat();
    let seen = flood(&house, endless, 1).await;
    assert!(matches!(seen, Some(Connection(_) | Closed)), "a head without end: {seen:?}");

    let long = literal("x", &"y".repeat(120)).repeat(100);
    let long = [frame(HEADERS, 0, 1, &head("GET", "/hello")), frame(CONTINUATION, 0, 1, &long).repeat(400)].concat();
    let seen = flood(&house, long, 1).await;
    assert!(matches!(seen, Some(Connection(_) | Closed)), "a head of 5 MB: {seen:?}");

    for (why, piece) in [
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(100)),
        ("pings", frame(PING, 0, 0, b"a flood!").repeat(100)),
        ("priorities", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]).repeat(100)),
    ] {
        flood(&house, piece, 100).await;
        let seen = house.connections();
        assert_eq!(seen.closed.failed, 0, "{why}");
    }
    house.until(|seen| seen.open == 1).await;
    house.handler.go.notify_one();
    neighbour.await_end(1).await;
    drop(neighbour);
    house.close().await;
}
