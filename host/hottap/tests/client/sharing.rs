//! What calls share: one that gives up, one that is answered early, one endpoint that is broken must not cost the others.

use std::future::pending;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hottap::client::Retry;
use hottap::{CallContext, Hottap, Tracer};
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt;

use crate::counted::{World, client};
use crate::recorder::Recorder;
use crate::script::{Handler, OK, Script, answer, get};

/// When a test gives up: long, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_call_that_gives_up_on_a_connection_does_not_fail_those_that_wait_for_it() {
    let world = World::start().await;
    let (sent, asked, first) = (Recorder::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, reached) = (asked.clone(), first.clone());
    let resolve = move |_: String| {
        let (number, reached) = (count.fetch_add(1, Ordering::SeqCst), reached.clone());
        async move {
            if number == 0 {
                reached.notify_one();
                pending::<()>().await;
            }
            Ok(vec![IpAddr::from([127, 0, 0, 1])])
        }
    };
    let endpoint = format!("http://inventory:{}", world.server.address.port());
    let client = client(sent.start("shop").client(endpoint).resolver(resolve));
    let impatient = client.clone();
    let impatient = tokio::spawn(async move { impatient.unary_within("echo", Duration::from_millis(300)).await });
    first.notified().await;
    let others: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.unary("echo").await })
        })
        .collect();
    let status = impatient.await.expect("no panic").expect_err("has no time");
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    for other in others {
        let answer = timeout(PATIENCE, other).await.expect("is not forgotten").expect("no panic");
        assert_eq!(answer.expect("has all the time"), "echo");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one connection for all of the others");
    sent.finished(11).await;
    sent.assert_each_finished_once();
    drop(client);
    world.close().await;
}

/// Tells when an attempt's row has finished.
struct Attempts(Arc<Notify>);

impl Tracer for Attempts {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        if call.info().attempt_of().is_some() {
            self.0.notify_one();
        }
    }

    fn attempts(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_body_that_goes_on_after_an_early_answer_is_not_sent_again_without_its_beginning() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = received.clone();
    let server = Script::start(move |mut wire, number| {
        let log = log.clone();
        async move {
            wire.head().await;
            if number == 0 {
                // An answer before the request has come.
                wire.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
                wire.drain().await;
                return;
            }
            let (mut body, mut byte) = (Vec::new(), [0]);
            while !body.ends_with(b"0\r\n\r\n") && wire.0.read_exact(&mut byte).await.is_ok() {
                body.push(byte[0]);
            }
            *log.lock().expect("no panic") = body;
            wire.write(OK).await;
        }
    })
    .await;
    let failed = Arc::new(Notify::new());
    let tap = Hottap::builder().service("shop").tracer(Attempts(failed.clone())).start().expect("starts");
    // The pause is long enough for the rest of the body to be taken in it, if anybody takes it.
    let pause = Duration::from_millis(500);
    let retry = Retry::new(2).pauses(pause, pause).max_buffer(8);
    let client = tap.client(server.url()).retry(retry).build().expect("builds");
    let (pieces, body) = mpsc::channel::<Bytes>(1);
    let body = StreamBody::new(ReceiverStream::new(body).map(|piece| Ok::<_, std::io::Error>(Frame::data(piece))));
    let request = Request::put("/").body(body).expect("a request");
    let call = tokio::spawn(client.oneshot(request));
    pieces.send("begin".into()).await.expect("is taken");
    failed.notified().await;
    pieces.send(", and very much more".into()).await.expect("is taken");
    pieces.send(", and the end".into()).await.expect("is taken");
    drop(pieces);
    let response = timeout(PATIENCE, call).await.expect("ends").expect("no panic").expect("a response");
    assert_eq!(response.status(), 200);
    let received = received.lock().expect("no panic").clone();
    let expected = "5\r\nbegin\r\n14\r\n, and very much more\r\nD\r\n, and the end\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&received), expected);
}

#[tokio::test]
async fn an_endpoint_that_breaks_off_every_call_does_not_draw_them_all() {
    // It fails faster than the other answers, so that it is always the less busy one.
    let broken = Script::start(|mut wire, _| async move {
        wire.head().await;
        wire.reset();
    })
    .await;
    let good = Handler::start(|_, _| async { answer(200, &[], "ok") }).await;
    let sent = Recorder::default();
    let client = sent.start("shop").client(good.url()).endpoint(broken.url()).build().expect("builds");
    let mut failed = 0;
    for _ in 0..200 {
        failed += usize::from(get(&client, "/").await.is_err());
    }
    assert!(failed < 30, "{failed} of 200");
    assert_eq!(good.handled() + failed, 200);
    sent.finished(200).await;
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_few_calls_that_break_off_between_good_ones_do_not_cost_an_endpoint_its_place() {
    let breaks = |_, number: usize| async move {
        if number % 3 == 2 {
            panic!("breaks off")
        }
        answer(200, &[], "ok")
    };
    let (one, two) = (Handler::start(breaks).await, Handler::start(breaks).await);
    let sent = Recorder::default();
    let client = sent.start("shop").client(one.url()).endpoint(two.url()).build().expect("builds");
    for _ in 0..100 {
        let _ = get(&client, "/").await;
    }
    for server in [&one, &two] {
        assert!(server.handled() > 20, "{} of 100", server.handled());
    }
}
