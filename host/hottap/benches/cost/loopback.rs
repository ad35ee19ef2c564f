//! What the layers add to an RPC over tonic and a TCP connection on this machine: CPU time of the whole process, client,
//! server, kernel, collector and workers included, beyond the same RPC over bare tonic.
//!
//! Both sides have a layer, so the figures are those of two traced calls. Client and server share one thread, 16 RPCs
//! are under way at any time, and messages are of five bytes: the smallest RPC, where an addition shows most.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hottap::Hottap;
use http::Request;
use http::uri::PathAndQuery;
use http_body::Body as HttpBody;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server};
use tower::{Service, service_fn};

use crate::clock;
use crate::codec::BytesCodec;
use crate::figure::Figure;
use crate::live::Live;
use crate::rounds::interleave;

pub(crate) const LOOPBACK: &[&str] = &[
    "layers over loopback, no tracer",
    "layers over loopback, red-metrics at base",
    "layers over loopback, slow-calls at detailed",
];

/// RPCs under way at once.
const AT_ONCE: usize = 16;
/// RPCs of each of them in one turn.
const EACH: usize = 500;
const ROUNDS: usize = 10;
/// The collector's longest delay, and some time for the workers.
const SETTLE: Duration = Duration::from_millis(60);

/// Answers each RPC with its own message.
#[derive(Clone)]
pub(crate) struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl<B> Service<Request<B>> for Echo
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move {
            let echo = |request: tonic::Request<Bytes>| async { Ok(tonic::Response::new(request.into_inner())) };
            Ok(tonic::server::Grpc::new(BytesCodec).unary(service_fn(echo), request).await)
        })
    }
}

/// A server, under the layer if there is one, and a channel to it.
pub(crate) fn connect(runtime: &Runtime, tap: Option<&Hottap>) -> Result<Channel, String> {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let incoming = TcpListenerStream::new(listener);
        match tap.map(Hottap::server_layer) {
            Some(layer) => {
                let server = Server::builder().layer(layer).add_service(Echo);
                tokio::spawn(server.serve_with_incoming(incoming));
            }
            None => _ = tokio::spawn(Server::builder().add_service(Echo).serve_with_incoming(incoming)),
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
        endpoint.connect().await.map_err(|error| error.to_string())
    })
}

/// CPU time of the process per RPC, until the collector and the workers are done with them. `watch` is told how long each
/// RPC took, and all of them.
pub(crate) fn turn<S>(runtime: &Runtime, channel: &S, watch: &mut dyn FnMut(Vec<Duration>, Duration)) -> f64
where
    S: GrpcService<Body> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    S::ResponseBody: Send + 'static,
    <S::ResponseBody as HttpBody>::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    let before = clock::process();
    runtime.block_on(async {
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let mut grpc = Grpc::new(channel.clone());
            callers.spawn(async move {
                let mut took = Vec::with_capacity(EACH);
                for _ in 0..EACH {
                    let asked = Instant::now();
                    assert!(grpc.ready().await.is_ok(), "the server is there");
                    let request = tonic::Request::new(Bytes::from_static(b"hello"));
                    let path = PathAndQuery::from_static("/bench.Echo/Unary");
                    let answer: tonic::Response<Bytes> =
                        grpc.unary(request, path, BytesCodec).await.expect("the RPC succeeds");
                    assert_eq!(answer.into_inner(), "hello");
                    took.push(asked.elapsed());
                }
                took
            });
        }
        let took = callers.join_all().await.concat();
        watch(took, began.elapsed());
    });
    std::thread::sleep(SETTLE);
    (clock::process() - before) / (AT_ONCE * EACH) as f64
}

/// Bare tonic, and the same under layers that nobody, a tracer at base, and one at detailed is behind.
pub(crate) fn loopback() -> Result<Vec<Figure>, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let nobody = Hottap::builder().service("bench").start().map_err(|error| error.to_string())?;
    let base = Live::start(1)?;
    let detailed = Live::detailed("slow-calls", "[config]\nthreshold_ms = 60000\n")?;
    let bare = connect(&runtime, None)?;
    let traced = |tap: &Hottap| Ok::<_, String>(tap.client_layer().layer(connect(&runtime, Some(tap))?));
    let (with_nobody, with_base, with_detailed) = (traced(&nobody)?, traced(&base.tap)?, traced(&detailed.tap)?);
    let rounds = interleave(
        ROUNDS,
        &mut [
            &mut || turn(&runtime, &bare, &mut |_, _| {}),
            &mut || turn(&runtime, &with_nobody, &mut |_, _| {}),
            &mut || turn(&runtime, &with_base, &mut |_, _| {}),
            &mut || turn(&runtime, &with_detailed, &mut |_, _| {}),
        ],
    );
    base.nothing_dropped()?;
    detailed.nothing_dropped()?;
    let figure = |side: usize, target: f64| {
        Figure::new(LOOPBACK[side - 1], rounds.beyond(side, 0), "ns")
            .at_most(target)
            .of(rounds.cost(side), rounds.cost(0))
    };
    Ok(vec![figure(1, 500.0), figure(2, 800.0), figure(3, 1_500.0)])
}
