//! A gRPC service whose messages say what it is to do.
//!
//! `Unary`: `echo ...` gives the message back, `fail CODE WORDS`, `refuse CODE` with a business status, `panic`, `hang`,
//! `call` makes a nested call, `current` tells the current trace. `Download`: `COUNT SIZE END`, where END is `end`, `hang`, `panic` or `fail`. `Upload` gives
//! the number of bytes, or hangs after a message `hang`. `Chat` gives every message back.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hottap::BusinessStatus;
use hottap::rpc::TraceContext;
use http_body::Body;
use tokio::sync::Notify;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body as TonicBody;
use tonic::server::{Grpc, NamedService};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{Service, service_fn};

use crate::codec::BytesCodec;
use crate::world::Client;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

#[derive(Clone, Default)]
pub(crate) struct Echo {
    /// A handler has got as far as to hang.
    pub(crate) reached: Arc<Notify>,
    /// For nested calls.
    pub(crate) downstream: Option<Client>,
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl<B> Service<http::Request<B>> for Echo
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
        let echo = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(BytesCodec);
            let path = request.uri().path().to_owned();
            Ok(match path.as_str() {
                "/test.Echo/Unary" => {
                    let handler = move |request: Request<Bytes>| echo.clone().unary(request.into_inner());
                    grpc.unary(service_fn(handler), request).await
                }
                "/test.Echo/Download" => {
                    let handler = move |request: Request<Bytes>| echo.clone().download(request.into_inner());
                    grpc.server_streaming(service_fn(handler), request).await
                }
                "/test.Echo/Upload" => {
                    let handler = move |request: Request<Streaming<Bytes>>| echo.clone().upload(request.into_inner());
                    grpc.client_streaming(service_fn(handler), request).await
                }
                "/test.Echo/Chat" => {
                    let handler = |request: Request<Streaming<Bytes>>| async move {
                        Ok(Response::new(Box::pin(request.into_inner()) as Messages))
                    };
                    grpc.streaming(service_fn(handler), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

impl Echo {
    async fn hang<T>(&self) -> T {
        self.reached.notify_one();
        std::future::pending().await
    }

    async fn unary(self, message: Bytes) -> Result<Response<Bytes>, Status> {
        let text = String::from_utf8_lossy(&message).into_owned();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match verb {
            "fail" => {
                let (code, words) = rest.split_once(' ').expect("`fail CODE WORDS`");
                Err(Status::new(Code::from(code.parse::<i32>().expect("a code")), words))
            }
            "refuse" => {
                let mut response = Response::new(message.clone());
                let code = rest.parse().expect("a code");
                response.extensions_mut().insert(BusinessStatus::new(code, "refused"));
                response.metadata_mut().insert("x-refused", rest.parse().expect("ASCII"));
                Ok(response)
            }
            "panic" => panic!("as the message said"),
            "hang" => self.hang().await,
            "call" => self.downstream.expect("a client for nested calls").unary(rest).await.map(Response::new),
            "current" => Ok(Response::new(format!("{:?}", TraceContext::current()).into())),
            _ => Ok(Response::new(message)),
        }
    }

    async fn download(self, message: Bytes) -> Result<Response<Messages>, Status> {
        let text = String::from_utf8_lossy(&message).into_owned();
        let words: Vec<&str> = text.split(' ').collect();
        let [count, size, end] = words[..] else { panic!("`COUNT SIZE END`") };
        let (count, size) = (count.parse::<usize>().expect("a count"), size.parse::<usize>().expect("a size"));
        let end = end.to_owned();
        let messages = tokio_stream::iter((0..count).map(move |_| Ok(Bytes::from(vec![b'x'; size]))));
        let last = End { echo: self, end };
        Ok(Response::new(Box::pin(messages.chain(last)) as Messages))
    }

    async fn upload(self, mut messages: Streaming<Bytes>) -> Result<Response<Bytes>, Status> {
        let mut bytes = 0;
        while let Some(message) = messages.message().await? {
            if message == "hang" {
                return self.hang().await;
            }
            bytes += message.len();
        }
        Ok(Response::new(bytes.to_string().into()))
    }
}

/// What comes after a stream's messages.
struct End {
    echo: Echo,
    end: String,
}

impl Stream for End {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::take(&mut self.end).as_str() {
            "hang" => {
                self.echo.reached.notify_one();
                self.end = "hanging".into();
                Poll::Pending
            }
            "hanging" => {
                self.end = "hanging".into();
                Poll::Pending
            }
            "panic" => panic!("as the message said"),
            "fail" => Poll::Ready(Some(Err(Status::data_loss("in the middle of it")))),
            _ => Poll::Ready(None),
        }
    }
}
