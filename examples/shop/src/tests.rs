//! The shop as a whole, in this process: real servers, real connections, a load; plugins only in `plugin`.

mod native;
mod orders;
#[path = "../../../host/hottap/tests/plugins/peers.rs"]
#[expect(dead_code, reason = "other tests ask them for more")]
mod peers;
mod phoenix;
mod plugin;
mod rotel;
mod tree;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hottap::rpc::Side;
use hottap::{CallContext, Hottap, Tracer};
use tokio::time::{Instant, interval};

use crate::load::{Load, TICK};
use crate::report::Report;
use crate::shop::Shop;

const RATE: u32 = 400;
const LENGTH: Duration = Duration::from_secs(2);
/// Nothing waits longer than it must; a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Attempts of calls that finished, by side and method, and those calls that had a parent.
type Counts = BTreeMap<(&'static str, String), (u64, u64)>;

/// Counts what Hottap's layers see.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Counts>>);

impl Tracer for Counter {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        let info = call.info();
        let key = (info.side().as_str(), info.invocation().method().as_str().to_owned());
        let mut counts = self.0.lock().expect("nobody panics while holding it");
        let (attempts, children) = counts.entry(key).or_default();
        *attempts += u64::from(info.attempts());
        *children += u64::from(info.trace().parent_span_id != 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_comes_out_as_designed_and_every_layer_sees_every_call() {
    let counter = Counter::default();
    let tap = Hottap::builder().service("shop").tracer(counter.clone()).start().expect("nothing can be refused");
    let shop = Shop::open(&tap).await.expect("loopback ports");
    let mut load = Load::new(shop.client(&tap).expect("an address"), RATE).expect("histograms");

    let end = Instant::now() + LENGTH;
    let mut ticks = interval(TICK);
    while Instant::now() < end {
        ticks.tick().await;
        load.start_due();
    }
    let counted = load.hold().await;
    let page = tap.metrics();
    let open = page.lines().filter(|line| line.starts_with("hottap_server_connections_open{server=\"127.0.0.1:"));
    let open: Vec<&str> = open.map(|line| line.rsplit_once(' ').map_or("", |(_, count)| count)).collect();
    assert_eq!(open, ["1", "1", "1"], "each of the three servers has one client: {page}");
    shop.close(Duration::from_secs(10)).await.expect("no call is open");

    assert_eq!(counted.failed, 0, "{counted:?}");
    assert_eq!(counted.started, counted.finished, "after a hold nothing is open");
    assert!(counted.finished > u64::from(RATE) / 10, "{counted:?}");
    assert!(counted.failed_by_design > 0, "{counted:?}");
    assert!(load.second().quantiles.is_some());

    let counts = counter.0.lock().expect("nobody panicked while holding it").clone();
    let of = |side: Side, method: &str| {
        counts.get(&(side.as_str(), format!("shop.v1.{method}"))).copied().unwrap_or_default()
    };
    let (place, watch) = (of(Side::Client, "Checkout/Place"), of(Side::Client, "Checkout/Watch"));
    assert_eq!(place.0 + watch.0, counted.finished, "{counts:?}");
    assert!(watch.0 > 0, "{counts:?}");
    assert_eq!((place.1, watch.1), (0, 0), "the load generator's calls are the roots");
    for method in ["Checkout/Place", "Checkout/Watch", "Inventory/Reserve", "Pricing/Quote"] {
        let (client, server) = (of(Side::Client, method), of(Side::Server, method));
        assert_eq!(client.0, server.0, "{method}: each attempt is seen by the server: {counts:?}");
        assert_eq!(server.1, server.0, "{method}: what a server sees has the client's call as parent: {counts:?}");
    }
    assert_eq!(of(Side::Client, "Inventory/Reserve"), (place.0, place.0), "each a child of a Place: {counts:?}");

    let report = Report::new(counted, &tap.tracers(), &tap.destinations()).expect("it is complete");
    assert_eq!(report.json()["rpcs"], counted.finished);
    assert_eq!(report.json()["failed"], 0);
}

/// The whole answer to a POST of nothing; blocks.
fn post(to: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(to).expect("it listens");
    write!(stream, "POST {path} HTTP/1.0\r\nhost: shop\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_placed_at_the_front_is_traced_and_is_none_of_the_loads() {
    let counter = Counter::default();
    let tap = Hottap::builder().service("shop").tracer(counter.clone()).start().expect("nothing can be refused");
    let mut shop = Shop::open(&tap).await.expect("loopback ports");
    let front = shop.open_front(&tap, "127.0.0.1:0").await.expect("a port is free");
    let answer = tokio::task::spawn_blocking(move || post(front, "/place")).await.expect("it answers");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("\"total_cents\":"), "{answer}");
    shop.close(Duration::from_secs(10)).await.expect("no call is open");

    let counts = counter.0.lock().expect("nobody panicked while holding it").clone();
    let expected = [
        ((Side::Client.as_str(), "shop.v1.Inventory/Reserve".to_owned()), (1, 1)),
        ((Side::Client.as_str(), "shop.v1.Pricing/Quote".to_owned()), (1, 1)),
        ((Side::Server.as_str(), "POST /place".to_owned()), (1, 0)),
        ((Side::Server.as_str(), "shop.v1.Inventory/Reserve".to_owned()), (1, 1)),
        ((Side::Server.as_str(), "shop.v1.Pricing/Quote".to_owned()), (1, 1)),
    ];
    assert_eq!(counts, BTreeMap::from(expected), "no call of Checkout, which is what the load makes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_waits_for_open_rpcs_and_go_counts_from_0() {
    let tap = Hottap::builder().service("shop").start().expect("nothing can be refused");
    let shop = Shop::open(&tap).await.expect("loopback ports");
    let mut load = Load::new(shop.client(&tap).expect("an address"), 1_000).expect("histograms");
    let mut ticks = interval(TICK);
    while load.count().started < 50 {
        ticks.tick().await;
        load.start_due();
    }
    let held = load.hold().await;
    assert_eq!(held.started, held.finished);
    load.start_due();
    assert_eq!(load.count(), held, "nothing is started while it is held");

    assert_eq!(load.go().await.started, 0);
    while load.count().started < 10 {
        ticks.tick().await;
        load.start_due();
    }
    let again = load.hold().await;
    assert_eq!((again.started, again.failed), (again.finished, 0));
    shop.close(Duration::from_secs(10)).await.expect("no call is open");
}
