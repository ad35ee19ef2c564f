//! Several endpoints: the calls are divided, one that fails is left alone, and comes back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hottap::client::{Client, ClientBuilder, Retry};
use hottap::rpc::Outcome;
use tokio::task::JoinSet;

use crate::broken::nobody;
use crate::counted::{self, check};
use crate::recorder::Recorder;
use crate::script::{Handler, answer, get};

async fn server(at: SocketAddr) -> Handler {
    Handler::at(at, None, |_, _| async { answer(200, &[], "ok") }).await
}

async fn three() -> [Handler; 3] {
    let any = "127.0.0.1:0".parse().expect("an address");
    [server(any).await, server(any).await, server(any).await]
}

fn among(sent: &Recorder, servers: &[Handler]) -> ClientBuilder {
    let builder = sent.start("shop").client(servers[0].url());
    servers[1..].iter().fold(builder, |builder, server| builder.endpoint(server.url()))
}

/// So many calls, all at once.
async fn calls(client: &Client, count: usize) -> usize {
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let client = client.clone();
        calls.spawn(async move { get(&client, "/").await.is_ok() });
    }
    calls.join_all().await.into_iter().filter(|ok| *ok).count()
}

/// Lets so much time pass at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn calls_are_divided_and_each_row_says_who_answered() {
    let (sent, servers) = (Recorder::default(), three().await);
    let client = among(&sent, &servers).http2_only().build().expect("builds");
    assert_eq!(calls(&client, 300).await, 300);
    let mut rows = BTreeMap::<String, usize>::new();
    sent.finished(300).await.iter().for_each(|info| *rows.entry(info.peer().to_string()).or_default() += 1);
    for server in &servers {
        let handled = server.handled();
        assert!(handled > 50, "{handled} of 300");
        assert_eq!(rows.get(&server.address.to_string()), Some(&handled));
        assert_eq!(server.accepted(), 1);
    }
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_dies_is_left_alone_and_found_again() {
    let (sent, mut servers) = (Recorder::default(), three().await);
    let retry = Retry::new(3).pauses(Duration::from_micros(1), Duration::from_micros(10));
    let client = among(&sent, &servers).http2_only().retry(retry).build().expect("builds");
    assert_eq!(calls(&client, 100).await, 100);
    servers[1].stop().await;
    // Retries make up for it, and before long nobody asks it any more.
    assert_eq!(calls(&client, 100).await, 100);
    let before = sent.finished(200).await;
    assert_eq!(calls(&client, 100).await, 100);
    let after = sent.finished(300).await;
    let tried: u32 = after[before.len()..].iter().map(|info| u32::from(info.attempts())).sum();
    assert_eq!(tried, 100, "it is ejected");

    servers[1] = server(servers[1].address).await;
    assert_eq!(calls(&client, 50).await, 50);
    assert_eq!(servers[1].handled(), 0, "its time is not over");
    pass(Duration::from_secs(2)).await;
    for _ in 0..100 {
        get(&client, "/").await.expect("a response");
    }
    assert!(servers[1].handled() > 10, "{}", servers[1].handled());
    sent.finished(450).await.iter().for_each(|info| check(info, Outcome::Ok, ""));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_is_not_available_is_left_alone() {
    let sent = Recorder::default();
    let any = "127.0.0.1:0".parse().expect("an address");
    let busy = Handler::at(any, None, |_, _| async { answer(503, &[], "") }).await;
    let servers = [busy, server(any).await];
    let client = among(&sent, &servers).build().expect("builds");
    for _ in 0..100 {
        get(&client, "/").await.expect("a response");
    }
    assert_eq!((servers[0].handled(), servers[1].handled()), (1, 99));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_lets_calls_wait_for_a_connection_is_left_alone() {
    let sent = Recorder::default();
    let live = server("127.0.0.1:0".parse().expect("an address")).await;
    let hangs = async |_: String| std::future::pending::<std::io::Result<Vec<_>>>().await;
    let builder = sent.start("shop").client("http://black.hole").endpoint(live.url()).resolver(hangs);
    // Less than connecting may take: the connection is given up with the call.
    let client = builder.timeout(Duration::from_secs(1)).build().expect("builds");
    let mut answered = 0;
    for _ in 0..50 {
        answered += usize::from(get(&client, "/").await.is_ok());
    }
    assert!(answered >= 49, "{answered} of 50");
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn if_none_is_left_one_is_asked_all_the_same() {
    let (sent, mut servers) = (Recorder::default(), three().await);
    let client = among(&sent, &servers).build().expect("builds");
    for server in &mut servers {
        server.stop().await;
    }
    assert_eq!(calls(&client, 30).await, 0);
    for info in sent.finished(30).await {
        check(&info, Outcome::Error, "connection_refused");
    }
    // Without a moment's rest, as soon as one is there.
    servers[0] = server(servers[0].address).await;
    let mut answered = 0;
    for _ in 0..10 {
        answered += usize::from(get(&client, "/").await.is_ok());
    }
    assert!(answered > 5, "{answered} of 10");
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_call_of_grpc_finds_the_one_that_lives() {
    let sent = Recorder::default();
    let served = Recorder::default();
    let running = counted::Running::start(&served.start("echo"), crate::echo::Echo::default()).await;
    let builder = sent.start("shop").client(format!("http://{}", nobody().await));
    let builder = builder.endpoint(format!("http://{}", running.address)).retry(Retry::new(3));
    let client = counted::client(builder);
    for _ in 0..20 {
        client.unary("echo").await.expect("succeeds");
    }
    let rows = sent.finished(20).await;
    assert!(rows.iter().all(|info| info.peer().to_string() == running.address.to_string()));
    let attempts: u32 = rows.iter().map(|info| u32::from(info.attempts())).sum();
    assert!(attempts <= 21, "the dead one is asked once at most: {attempts}");
    sent.assert_each_finished_once();
    running.stop().await;
}
