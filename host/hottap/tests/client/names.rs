//! Names: nobody knows them, the name server hangs, gives nothing, or lies.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hottap::client::{ErrorKind, Phase};
use hottap::rpc::Outcome;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::counted::{self, check};
use crate::recorder::Recorder;
use crate::script::{Handler, answer, get};

async fn server() -> Handler {
    Handler::start(|_, _| async { answer(200, &[], "ok") }).await
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_told() {
    let sent = Recorder::default();
    let tap = sent.start("shop");
    let unknown = tap.client("http://inventory:8080").resolver(async |_| Err(io::Error::other("no such host")));
    let empty = tap.client("http://inventory:8080").resolver(async |_| Ok(vec![]));
    for (builder, words) in [(unknown, "no such host"), (empty, "the name has no address")] {
        let error = get(&builder.build().expect("builds"), "/").await.expect_err("nobody knows it");
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Dns, Phase::Resolve), "{error:?}");
        assert_eq!(error.to_string(), "the host's name was not resolved, resolving inventory:8080");
        let info = sent.finished(1).await.pop().expect("a row");
        check(&info, Outcome::Error, "dns");
        assert!(info.stats().error_message().contains(words), "{}", info.stats().error_message());
        assert_eq!(info.peer().to_string(), "inventory:8080");
    }
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn the_systems_resolver_is_the_default() {
    let (sent, server) = (Recorder::default(), server().await);
    let tap = sent.start("shop");
    let client = tap.client(format!("http://localhost:{}", server.address.port())).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").into_body(), "ok");
    // RFC 6761: nobody has a name that ends so.
    let client = tap.client("http://nowhere.invalid").build().expect("builds");
    let error = get(&client, "/").await.expect_err("nobody knows it");
    assert_eq!(error.kind(), ErrorKind::Dns, "{error:?}");
    let rows = sent.finished(2).await;
    assert_eq!(rows[0].peer().to_string(), server.address.to_string());
    assert_eq!(rows[1].peer().to_string(), "nowhere.invalid:80");
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_hangs_is_timed_out() {
    let sent = Recorder::default();
    let builder = sent.start("shop").client("http://inventory:8080").connect_timeout(Duration::from_secs(2));
    let client = builder.resolver(async |_| std::future::pending().await).build().expect("builds");
    let began = Instant::now();
    let error = get(&client, "/").await.expect_err("no answer");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Dns, Phase::Resolve));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let info = sent.one().await;
    check(&info, Outcome::Error, "dns");
    assert_eq!(info.config().connect_timeout(), Some(Duration::from_secs(2)));
    sent.assert_each_finished_once();
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_the_same_connection_fail_with_it() {
    let sent = Recorder::default();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let hangs = move |_: String| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    };
    let builder = sent.start("shop").client("http://inventory:8080").connect_timeout(Duration::from_secs(2));
    let client = counted::client(builder.resolver(hangs));
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { client.unary("echo").await.expect_err("no connection").code() });
    }
    while let Some(code) = calls.join_next().await {
        assert_eq!(code.expect("no panic"), tonic::Code::Unavailable);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "one after the other: {:?}", began.elapsed());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    sent.finished(100).await.iter().for_each(|info| check(info, Outcome::Error, "dns"));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_name_server_that_lies_is_found_out_by_whom_it_names() {
    let (sent, server) = (Recorder::default(), server().await);
    let tap = sent.start("shop");
    let endpoint = format!("http://inventory:{}", server.address.port());
    // Nobody listens at any other address of this machine.
    let lies = async |_| Ok(vec![IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))]);
    let error = get(&tap.client(&*endpoint).resolver(lies).build().expect("builds"), "/").await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error:?}");
    // But one of several is good.
    let some = async |_| Ok(vec![Ipv4Addr::new(127, 0, 0, 9).into(), Ipv4Addr::new(127, 0, 0, 1).into()]);
    let client = tap.client(&*endpoint).resolver(some).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").into_body(), "ok");
    let rows = sent.finished(2).await;
    check(&rows[0], Outcome::Error, "connection_refused");
    assert_eq!(rows[1].peer().to_string(), server.address.to_string());
    sent.assert_each_finished_once();
}
