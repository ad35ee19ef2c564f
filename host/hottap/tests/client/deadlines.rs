//! Deadlines: the least that anybody gives counts, every server on the way is told, and when it passes all of them end.

use std::sync::Arc;
use std::time::Duration;

use hottap::Hottap;
use hottap::client::{ErrorKind, Phase};
use hottap::rpc::{Outcome, RpcInfo};

use crate::counted::{Running, World, check};
use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::script::{OK, Script, get};
use crate::world::{Client, collect};

const MINUTE: Duration = Duration::from_secs(60);

/// Servers of which each calls the next, and a client of the first.
struct Chain {
    client: Client,
    /// The last one's.
    echo: Echo,
    served: Vec<Recorder>,
    sent: Vec<Recorder>,
    _servers: Vec<Running>,
}

impl Chain {
    /// The second server is traced or not.
    async fn start(traced: bool) -> Self {
        let (last, mut served, mut sent, mut servers) = (Echo::default(), vec![], vec![], vec![]);
        let mut echo = last.clone();
        let mut client = None;
        for hop in (0..3).rev() {
            let (in_front, behind) = (Recorder::default(), Recorder::default());
            let tap = if hop == 1 && !traced {
                Hottap::builder().service("untraced").start().expect("starts")
            } else {
                behind.start("server")
            };
            let server = Running::start(&tap, echo).await;
            let caller = Client::new(&in_front.start("client"), server.address);
            echo = Echo { downstream: Some(caller.clone()), reached: Arc::default() };
            client = Some(caller);
            servers.push(server);
            served.insert(0, behind);
            sent.insert(0, in_front);
        }
        Self { client: client.expect("a first"), echo: last, served, sent, _servers: servers }
    }
}

fn deadline(info: &RpcInfo) -> Duration {
    info.config().deadline().expect("a deadline")
}

#[tokio::test]
async fn a_deadline_goes_on_over_three_hops_and_becomes_less() {
    for traced in [true, false] {
        let chain = Chain::start(traced).await;
        chain.client.unary_within("call call echo", MINUTE).await.expect("succeeds");
        let mut before = MINUTE;
        for hop in 0..3 {
            let info = chain.sent[hop].one().await;
            assert!(deadline(&info) <= before && deadline(&info) > MINUTE / 2, "{hop}: {:?}", deadline(&info));
            before = deadline(&info);
            if hop != 1 || traced {
                let served = chain.served[hop].one().await;
                assert!(deadline(&served) <= before, "{hop}: {:?} after {before:?}", deadline(&served));
                before = deadline(&served);
            }
        }
        // It is one trace, with each call the child of the one that it was made in.
        if traced {
            let (first, last) = (chain.sent[0].one().await, chain.served[2].one().await);
            assert_eq!(first.trace().trace_id, last.trace().trace_id);
            let between = chain.sent[1].one().await.trace().parent_span_id;
            assert_eq!(between, chain.served[0].one().await.trace().span_id);
        }
    }
}

#[tokio::test]
async fn when_it_passes_every_hop_ends() {
    let chain = Chain::start(true).await;
    let status = chain.client.unary_within("call call hang", Duration::from_millis(300)).await.expect_err("hangs");
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded, "{status:?}");
    chain.echo.reached.notified().await;
    for hop in 0..3 {
        let info = chain.sent[hop].one().await;
        // Behind the first it is a race between their own clocks and the caller who has hung up.
        let outcomes = if hop == 0 { &[Outcome::TimedOut][..] } else { &[Outcome::TimedOut, Outcome::Cancelled] };
        assert!(outcomes.contains(&info.stats().outcome()), "{hop}: {}", info.stats().error_message());
        chain.sent[hop].assert_each_finished_once();
    }
}

#[tokio::test]
async fn the_clients_own_time_is_told_to_the_server() {
    let world = World::with(|builder| builder.timeout(MINUTE)).await;
    world.client.unary("echo").await.expect("succeeds");
    world.client.unary_within("echo", MINUTE * 2).await.expect("succeeds");
    world.client.unary_within("echo", MINUTE / 2).await.expect("succeeds");
    let deadlines: Vec<_> = world.sent.finished(3).await.iter().map(deadline).collect();
    assert_eq!(deadlines, [MINUTE, MINUTE, MINUTE / 2]);
    assert_eq!(world.served.finished(3).await.iter().map(deadline).collect::<Vec<_>>(), deadlines);
    world.close().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_time() {
    let world = World::with(|builder| builder.timeout(Duration::from_millis(200))).await;
    let received = collect(world.client.download("2 8 hang").await.expect("starts")).await;
    assert_eq!(received[2].as_ref().map_err(tonic::Status::code), Err(tonic::Code::DeadlineExceeded));
    let info = world.sent.one().await;
    check(&info, Outcome::TimedOut, "DEADLINE_EXCEEDED");
    assert_eq!(info.stats().received().messages, 2);
    assert_ne!(world.served.one().await.stats().outcome(), Outcome::Ok);
    // Others on the same connection go on.
    world.client.unary("echo").await.expect("succeeds");
    world.close().await;
}

#[tokio::test]
async fn a_call_without_time_is_not_sent() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move { wire.write(OK).await }).await;
    let client = sent.start("shop").client(server.url()).timeout(Duration::ZERO).build().expect("builds");
    let error = get(&client, "/").await.expect_err("no time");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::CallTimedOut, Phase::Start));
    check(&sent.one().await, Outcome::TimedOut, "DEADLINE_EXCEEDED");
    assert_eq!(server.accepted(), 0);
    sent.assert_each_finished_once();
}
