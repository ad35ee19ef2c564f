//! The cases of gRPC's interop suite, whatever carries them: what was sent is what both sides' tracers saw.
//!
//! The cases and their sizes are those of
//! <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>, as far as tonic has them.

use std::fmt::Debug;

use bytes::Bytes;
use hottap::rpc::{EventKind, Outcome, Protocol, RpcInfo, Side, Streaming as Mode, Traffic};
use http::HeaderMap;
use http_body::Body;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body as TonicBody;
use tonic::client::{Grpc, GrpcService};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::codec::BytesCodec;
use crate::recorder::Recorder;
use crate::test_service::{
    EchoStatus, INITIAL, Payload, ResponseParameters, SimpleRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, TRAILING, WithPayload,
};

/// Bytes of the payloads that a streaming client sends.
const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
/// Bytes of the payloads that it asks for.
const RESPONSES: [usize; 4] = [31_415, 9, 2_653, 58_979];
const LARGE_REQUEST: usize = 271_828;
const LARGE_RESPONSE: usize = 314_159;
const MESSAGE: &str = "test status message";
const SPECIAL_MESSAGE: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING_VALUE: [u8; 3] = [0xab; 3];

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const OF_RUNTIMES: [EventKind; 4] = [
    EventKind::CLIENT_CONN_START,
    EventKind::CLIENT_CONN_FINISH,
    EventKind::WAIT_READ_START,
    EventKind::WAIT_READ_FINISH,
];

/// What a client of tonic's calls through.
pub(crate) trait Carries:
    GrpcService<TonicBody, ResponseBody: Body<Error: Into<BoxError>> + Send + 'static, Error: Debug> + Clone
{
}

impl<T> Carries for T where
    T: GrpcService<TonicBody, ResponseBody: Body<Error: Into<BoxError>> + Send + 'static, Error: Debug> + Clone
{
}

/// How a client makes a call.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Unary,
    Upload,
    Download,
    /// It sends all it has and ends its side.
    Chat,
    /// It sends the next message after an answer to the last, and ends its side after the last answer.
    PingPong,
}

struct Case {
    name: &'static str,
    /// As the client names it.
    method: &'static str,
    /// The server's router knows it.
    known: bool,
    shape: Shape,
    requests: Vec<Bytes>,
    /// What the responses say of sizes, and how it is read from one.
    sizes: Vec<usize>,
    size: fn(&Bytes) -> usize,
    end: (Code, &'static str),
    /// As the counted messages tell: a stream of one message is none.
    mode: Mode,
    with_metadata: bool,
}

impl Case {
    /// A call that gives these payloads and succeeds.
    fn new(name: &'static str, method: &'static str, shape: Shape, requests: Vec<Bytes>, sizes: &[usize]) -> Self {
        let mode = match (requests.len() > 1, sizes.len() > 1) {
            (false, false) => Mode::Unary,
            (true, false) => Mode::Client,
            (false, true) => Mode::Server,
            (true, true) => Mode::Both,
        };
        let (sizes, end) = (sizes.to_vec(), (Code::Ok, ""));
        Self { name, method, known: true, shape, requests, sizes, size: payload, end, mode, with_metadata: false }
    }
}

fn cases() -> Vec<Case> {
    const EMPTY: &str = "grpc.testing.TestService/EmptyCall";
    const UNARY: &str = "grpc.testing.TestService/UnaryCall";
    const INPUT: &str = "grpc.testing.TestService/StreamingInputCall";
    const OUTPUT: &str = "grpc.testing.TestService/StreamingOutputCall";
    const DUPLEX: &str = "grpc.testing.TestService/FullDuplexCall";
    const NO_METHOD: &str = "grpc.testing.TestService/UnimplementedCall";
    const NO_SERVICE: &str = "grpc.testing.UnimplementedService/UnimplementedCall";
    let empty = || vec![Bytes::new()];
    let large = || {
        vec![encoded(SimpleRequest {
            response_size: LARGE_RESPONSE as i32,
            payload: Payload::of(LARGE_REQUEST),
            ..SimpleRequest::default()
        })]
    };
    let ping = |(size, answer): (usize, usize)| encoded(duplex(Payload::of(size), &[answer]));
    let pings = || REQUESTS.into_iter().zip(RESPONSES).map(ping);
    let uploads = REQUESTS.map(WithPayload::encoded).to_vec();
    let refusal = |message: &str| {
        let status = EchoStatus { code: Code::Unknown as i32, message: message.to_owned() };
        encoded(SimpleRequest { response_status: Some(status), ..SimpleRequest::default() })
    };
    // The status stands in the same field of both messages.
    let fails = |name, method, shape, message| Case {
        end: (Code::Unknown, message),
        ..Case::new(name, method, shape, vec![refusal(message)], &[])
    };
    let unknown = |name, method| Case {
        known: false,
        end: (Code::Unimplemented, ""),
        ..Case::new(name, method, Shape::Unary, empty(), &[])
    };
    let with_metadata = |case| Case { with_metadata: true, ..case };
    vec![
        Case { size: Bytes::len, ..Case::new("empty_unary", EMPTY, Shape::Unary, empty(), &[0]) },
        Case::new("large_unary", UNARY, Shape::Unary, large(), &[LARGE_RESPONSE]),
        Case { size: aggregated, ..Case::new("client_streaming", INPUT, Shape::Upload, uploads, &[74_922]) },
        Case::new("server_streaming", OUTPUT, Shape::Download, vec![encoded(duplex(None, &RESPONSES))], &RESPONSES),
        Case::new("ping_pong", DUPLEX, Shape::PingPong, pings().collect(), &RESPONSES),
        Case::new("empty_stream", DUPLEX, Shape::Chat, Vec::new(), &[]),
        fails("status_code_and_message", UNARY, Shape::Unary, MESSAGE),
        fails("status_code_and_message, duplex", DUPLEX, Shape::Chat, MESSAGE),
        fails("special_status_message", UNARY, Shape::Unary, SPECIAL_MESSAGE),
        with_metadata(Case::new("custom_metadata", UNARY, Shape::Unary, large(), &[LARGE_RESPONSE])),
        with_metadata(Case::new(
            "custom_metadata, duplex",
            DUPLEX,
            Shape::PingPong,
            pings().take(1).collect(),
            &RESPONSES[..1],
        )),
        unknown("unimplemented_method", NO_METHOD),
        unknown("unimplemented_service", NO_SERVICE),
    ]
}

fn encoded(message: impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn duplex(payload: Option<Payload>, sizes: &[usize]) -> StreamingOutputCallRequest {
    let response_parameters = sizes.iter().map(|&size| ResponseParameters { size: size as i32 }).collect();
    StreamingOutputCallRequest { response_parameters, payload, response_status: None }
}

fn payload(message: &Bytes) -> usize {
    let message = WithPayload::decode(message.clone()).expect("a response");
    message.payload.expect("a payload").body.len()
}

fn aggregated(message: &Bytes) -> usize {
    let message = StreamingInputCallResponse::decode(message.clone()).expect("a response");
    message.aggregated_payload_size as usize
}

/// What a client has of a call.
struct Answer {
    messages: Vec<Bytes>,
    /// Of head and trailers.
    metadata: HeaderMap,
    end: Status,
}

impl Answer {
    fn failed(end: Status) -> Self {
        Self { messages: Vec::new(), metadata: HeaderMap::new(), end }
    }

    fn one(result: Result<Response<Bytes>, Status>) -> Self {
        match result {
            Ok(response) => {
                let (metadata, message, _) = response.into_parts();
                Self { messages: vec![message], metadata: metadata.into_headers(), end: Status::ok("") }
            }
            Err(status) => Self::failed(status),
        }
    }

    /// Calls `next` after each message.
    async fn stream(result: Result<Response<Streaming<Bytes>>, Status>, mut next: impl FnMut()) -> Self {
        let (metadata, mut stream, _) = match result {
            Ok(response) => response.into_parts(),
            Err(status) => return Self::failed(status),
        };
        let mut answer = Self { messages: Vec::new(), metadata: metadata.into_headers(), end: Status::ok("") };
        loop {
            match stream.message().await {
                Ok(Some(message)) => answer.messages.push(message),
                Ok(None) => break,
                Err(status) => {
                    answer.end = status;
                    return answer;
                }
            }
            next();
        }
        let trailers = stream.trailers().await.expect("they have come");
        answer.metadata.extend(trailers.map(MetadataMap::into_headers).unwrap_or_default());
        answer
    }
}

async fn call(mut grpc: Grpc<impl Carries>, case: &Case) -> Answer {
    let path = format!("/{}", case.method).parse().expect("a path");
    let mut requests = case.requests.clone().into_iter();
    grpc.ready().await.expect("ready");
    match case.shape {
        Shape::Unary => {
            let only = requests.next().expect("a message");
            Answer::one(grpc.unary(request(only, case), path, BytesCodec).await)
        }
        Shape::Upload => {
            let all = tokio_stream::iter(requests);
            Answer::one(grpc.client_streaming(request(all, case), path, BytesCodec).await)
        }
        Shape::Download => {
            let only = requests.next().expect("a message");
            Answer::stream(grpc.server_streaming(request(only, case), path, BytesCodec).await, || {}).await
        }
        Shape::Chat => {
            let all = tokio_stream::iter(requests);
            Answer::stream(grpc.streaming(request(all, case), path, BytesCodec).await, || {}).await
        }
        Shape::PingPong => {
            let (sender, receiver) = mpsc::channel(1);
            let mut sender = Some(sender);
            let mut next = move || match requests.next() {
                Some(message) => sender.iter().for_each(|sender| sender.try_send(message.clone()).expect("room")),
                None => sender = None,
            };
            next();
            let said = ReceiverStream::new(receiver);
            Answer::stream(grpc.streaming(request(said, case), path, BytesCodec).await, next).await
        }
    }
}

fn request<T>(message: T, case: &Case) -> Request<T> {
    let mut request = Request::new(message);
    if case.with_metadata {
        request.metadata_mut().insert(INITIAL, INITIAL_VALUE.parse().expect("ASCII"));
        request.metadata_mut().insert_bin(TRAILING, MetadataValue::from_bytes(&TRAILING_VALUE));
    }
    request
}

/// What the suite asks of the client.
fn check_answer(answer: &Answer, case: &Case) {
    let sizes: Vec<usize> = answer.messages.iter().map(case.size).collect();
    assert_eq!(sizes, case.sizes, "{}", case.name);
    assert_eq!((answer.end.code(), answer.end.message()), case.end, "{}", case.name);
    let metadata = MetadataMap::from_headers(answer.metadata.clone());
    let initial = metadata.get(INITIAL).map(|value| value.to_str().expect("ASCII"));
    let trailing = metadata.get_bin(TRAILING).map(|value| value.to_bytes().expect("base64"));
    assert_eq!(initial, case.with_metadata.then_some(INITIAL_VALUE), "{}", case.name);
    assert_eq!(trailing.as_deref(), case.with_metadata.then_some(&TRAILING_VALUE[..]), "{}", case.name);
}

/// What these messages are on the wire.
fn traffic(messages: &[Bytes]) -> Traffic {
    let sizes = messages.iter().map(|message| message.len() as u64 + 5);
    Traffic {
        bytes: sizes.clone().sum(),
        messages: messages.len() as u32,
        last_bytes: sizes.last().unwrap_or_default(),
    }
}

fn check_record(info: &RpcInfo, case: &Case, answer: &Answer) {
    let (side, stats, invocation) = (info.side(), info.stats(), info.invocation());
    let at = format!("{}, {}", case.name, side.as_str());
    let method = if case.known || side == Side::Client { case.method } else { "_OTHER" };
    assert_eq!(invocation.method().as_str(), method, "{at}");
    assert_eq!((invocation.protocol(), invocation.streaming()), (Protocol::Grpc, case.mode), "{at}");

    let (requests, responses) = (traffic(&case.requests), traffic(&answer.messages));
    let (sent, received) = match side {
        Side::Client => (requests, responses),
        // What nobody reads for want of a method is not counted as received.
        _ => (responses, if case.known { requests } else { Traffic::default() }),
    };
    assert_eq!((stats.sent(), stats.received()), (sent, received), "{at}");

    let (outcome, error_type) = match case.end.0 {
        Code::Ok => (Outcome::Ok, ""),
        Code::Unknown => (Outcome::Error, "UNKNOWN"),
        Code::Unimplemented => (Outcome::Error, "UNIMPLEMENTED"),
        code => panic!("no case ends with {code}"),
    };
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{at}");
    assert_eq!((stats.http_status(), stats.rpc_status()), (Some(200), Some(case.end.0 as u16)), "{at}");
    assert_eq!(stats.error_message(), case.end.1, "{at}");

    // What a runtime alone sees, and when, is its own tests' matter.
    let of_a_layer = stats.events().iter().map(|event| event.kind).filter(|kind| !OF_RUNTIMES.contains(kind));
    let recorded: Vec<&str> = of_a_layer.map(EventKind::as_str).collect();
    assert_eq!(recorded, events(case, side), "{at}");
}

/// The events of a call, in their order.
fn events(case: &Case, side: Side) -> Vec<&'static str> {
    let (requests, responses) = (case.requests.len(), case.sizes.len());
    let read = |messages| [vec!["read_start"], vec!["stream_recv"; messages], vec!["read_finish"]].concat();
    let write = |messages| [vec!["write_start"], vec!["stream_send"; messages], vec!["write_finish"]].concat();
    let succeeds = case.end.0 == Code::Ok;
    match (side, case.shape) {
        (Side::Client, Shape::PingPong) => [
            vec!["write_start", "stream_send", "stream_recv_header", "read_start", "stream_recv"],
            ["stream_send", "stream_recv"].repeat(requests - 1),
            vec!["write_finish", "read_finish"],
        ]
        .concat(),
        (_, Shape::PingPong) => [
            vec!["server_handle_start", "read_start", "stream_recv", "server_handle_finish"],
            vec!["write_start", "stream_send"],
            ["stream_recv", "stream_send"].repeat(requests - 1),
            vec!["read_finish", "write_finish"],
        ]
        .concat(),
        // A status without a message before it comes in the head, and there is no body.
        (Side::Client, _) => {
            [write(requests), vec!["stream_recv_header"], if succeeds { read(responses) } else { Vec::new() }].concat()
        }
        _ => [
            vec!["server_handle_start"],
            if case.known { read(requests) } else { Vec::new() },
            vec!["server_handle_finish"],
            if succeeds { write(responses) } else { Vec::new() },
        ]
        .concat(),
    }
}

/// Makes all calls, one after the other.
pub(crate) async fn run(channel: impl Carries, sent: &Recorder, served: &Recorder) {
    let grpc = Grpc::new(channel);
    for (i, case) in cases().iter().enumerate() {
        let answer = call(grpc.clone(), case).await;
        check_answer(&answer, case);
        for recorder in [sent, served] {
            check_record(&recorder.finished(i + 1).await[i], case, &answer);
        }
    }
}
