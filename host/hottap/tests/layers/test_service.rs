//! The service of gRPC's interop suite, `grpc.testing.TestService`, and its messages. No more of either than the cases
//! need: what the service lacks is UNIMPLEMENTED, as in every server that does not know a method.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use tokio_stream::Stream;
use tonic::body::Body as TonicBody;
use tonic::server::{Grpc, NamedService};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{Service, service_fn};

use crate::codec::BytesCodec;
use crate::echo::Boxed;

/// A header that the service gives back in the response's head.
pub(crate) const INITIAL: &str = "x-grpc-test-echo-initial";
/// A header that the service gives back in the trailers.
pub(crate) const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) body: Vec<u8>,
}

impl Payload {
    pub(crate) fn of(size: usize) -> Option<Self> {
        Some(Self { body: vec![0; size] })
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EchoStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SimpleRequest {
    #[prost(int32, tag = "2")]
    pub(crate) response_size: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) payload: Option<Payload>,
    #[prost(message, optional, tag = "7")]
    pub(crate) response_status: Option<EchoStatus>,
}

/// SimpleResponse and StreamingOutputCallResponse, which are the same on the wire; StreamingInputCallRequest too.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WithPayload {
    #[prost(message, optional, tag = "1")]
    pub(crate) payload: Option<Payload>,
}

impl WithPayload {
    pub(crate) fn encoded(size: usize) -> Bytes {
        Self { payload: Payload::of(size) }.encode_to_vec().into()
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamingInputCallResponse {
    #[prost(int32, tag = "1")]
    pub(crate) aggregated_payload_size: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResponseParameters {
    #[prost(int32, tag = "1")]
    pub(crate) size: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamingOutputCallRequest {
    #[prost(message, repeated, tag = "2")]
    pub(crate) response_parameters: Vec<ResponseParameters>,
    #[prost(message, optional, tag = "3")]
    pub(crate) payload: Option<Payload>,
    #[prost(message, optional, tag = "7")]
    pub(crate) response_status: Option<EchoStatus>,
}

#[derive(Clone, Copy)]
pub(crate) struct TestService;

impl NamedService for TestService {
    const NAME: &'static str = "grpc.testing.TestService";
}

impl<B> Service<http::Request<B>> for TestService
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Response = http::Response<TonicBody>;
    type Error = Infallible;
    type Future = Boxed<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            let [initial, trailing] = [INITIAL, TRAILING].map(|name| request.headers().get(name).cloned());
            let mut grpc = Grpc::new(BytesCodec);
            let path = request.uri().path().to_owned();
            let mut response = match path.as_str() {
                "/grpc.testing.TestService/EmptyCall" => grpc.unary(service_fn(empty_call), request).await,
                "/grpc.testing.TestService/UnaryCall" => grpc.unary(service_fn(unary_call), request).await,
                "/grpc.testing.TestService/StreamingInputCall" => {
                    grpc.client_streaming(service_fn(streaming_input_call), request).await
                }
                "/grpc.testing.TestService/StreamingOutputCall" => {
                    grpc.server_streaming(service_fn(streaming_output_call), request).await
                }
                "/grpc.testing.TestService/FullDuplexCall" => {
                    grpc.streaming(service_fn(full_duplex_call), request).await
                }
                _ => Status::unimplemented("").into_http(),
            };
            if let Some(value) = initial {
                response.headers_mut().insert(INITIAL, value);
            }
            Ok(match trailing {
                Some(value) => response.map(|body| {
                    TonicBody::new(body.map_frame(move |mut frame| {
                        if let Some(trailers) = frame.trailers_mut() {
                            trailers.insert(TRAILING, value.clone());
                        }
                        frame
                    }))
                }),
                None => response,
            })
        })
    }
}

fn decoded<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn asked_for(status: Option<EchoStatus>) -> Result<(), Status> {
    status.map_or(Ok(()), |status| Err(Status::new(Code::from(status.code), status.message)))
}

async fn empty_call(_: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    Ok(Response::new(Bytes::new()))
}

async fn unary_call(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let request: SimpleRequest = decoded(request.into_inner())?;
    asked_for(request.response_status)?;
    Ok(Response::new(WithPayload::encoded(request.response_size as usize)))
}

async fn streaming_input_call(request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
    let mut messages = request.into_inner();
    let mut size = 0;
    while let Some(message) = messages.message().await? {
        size += decoded::<WithPayload>(message)?.payload.map_or(0, |payload| payload.body.len());
    }
    let response = StreamingInputCallResponse { aggregated_payload_size: size as i32 };
    Ok(Response::new(response.encode_to_vec().into()))
}

async fn streaming_output_call(request: Request<Bytes>) -> Result<Response<Answers>, Status> {
    let request: StreamingOutputCallRequest = decoded(request.into_inner())?;
    asked_for(request.response_status.clone())?;
    Ok(Response::new(Answers { requests: None, ready: answers(&request).collect() }))
}

async fn full_duplex_call(request: Request<Streaming<Bytes>>) -> Result<Response<Answers>, Status> {
    let mut requests = request.into_inner();
    let Some(first) = requests.message().await? else {
        return Ok(Response::new(Answers { requests: None, ready: VecDeque::new() }));
    };
    let first: StreamingOutputCallRequest = decoded(first)?;
    if first.response_status.is_some() {
        // Whether a handler that refuses has seen the end of its request would be a matter of who was faster.
        while requests.message().await?.is_some() {}
    }
    asked_for(first.response_status.clone())?;
    Ok(Response::new(Answers { requests: Some(requests), ready: answers(&first).collect() }))
}

fn answers(request: &StreamingOutputCallRequest) -> impl Iterator<Item = Bytes> {
    request.response_parameters.iter().map(|parameters| WithPayload::encoded(parameters.size as usize))
}

/// What is ready, and then the answers to each request that is still to come.
struct Answers {
    requests: Option<Streaming<Bytes>>,
    ready: VecDeque<Bytes>,
}

impl Stream for Answers {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(answer)));
            }
            let Some(requests) = &mut self.requests else { return Poll::Ready(None) };
            match ready!(Pin::new(requests).poll_next(context)) {
                Some(message) => self.ready.extend(answers(&message.and_then(decoded)?)),
                None => self.requests = None,
            }
        }
    }
}
