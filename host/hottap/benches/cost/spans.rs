//! A span for each call, from the call's start until its span is in the server's hands: the plugin rpc-span against
//! opentelemetry-otlp, with the same attributes. CPU time of the whole process, all threads and the kernel's part in it.
//!
//! In it for both: making the span, queue, encoding, and OTLP over HTTP to the same null server, which is a process of
//! its own and not in it. In rpc-span's figure alone: `start` in the plugin, and what a call costs for tracers that make
//! no spans. Left out: taking the call's context from headers and giving it on, and TLS. Some 25,000 calls a second, at
//! which the batch processor drops nothing; a figure is given only if every span came on both sides, with attributes of
//! the same names.

use std::cell::RefCell;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hottap::Hottap;
use hottap::rpc::{Peer, Protocol, Side, Streaming, Traffic};

use crate::clock;
use crate::exporter::Exporter;
use crate::figure::Figure;
use crate::live::Live;
use crate::null_server::NullServer;
use crate::rounds::interleave;

pub(crate) const AGAINST_OTLP: &[&str] = &["rpc-span against opentelemetry-otlp", "rpc-span per span, call to socket"];

/// Who calls.
pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)), 41_234);
/// Bytes of the response and of the request.
pub(crate) const SENT: u64 = 120;
pub(crate) const RECEIVED: u64 = 48;

const METHODS: [&str; 4] =
    ["shop.v1.Checkout/Place", "shop.v1.Checkout/Watch", "shop.v1.Inventory/Reserve", "shop.v1.Pricing/Quote"];
/// Calls at once, and the pause after them. The batch processor has a queue of four times as many.
const BURST: u64 = 512;
const PAUSE: Duration = Duration::from_millis(20);
/// Calls of one turn, which lasts a second and a half. It ends when its last span has come; a plugin flushes once a
/// second, so what waiting for that costs is spread over many calls.
const CALLS: u64 = 75 * BURST;
/// Hottap's threads stop looking around a second after the last call; the next turn is not to pay for that.
const REST: Duration = Duration::from_millis(1_200);
const ROUNDS: usize = 9;

/// Start and finish of one call.
fn call(tap: &Hottap, method: &str) {
    if let Some(mut call) = tap.start_call(Side::Server, black_box(method)) {
        call.set_protocol(Protocol::Grpc);
        call.set_streaming(Streaming::Unary);
        call.set_peer(Peer::Socket(black_box(PEER)));
        call.set_http_status(200);
        call.set_rpc_status(0);
        let (sent, received) = (black_box(SENT), black_box(RECEIVED));
        call.set_traffic(
            Traffic { bytes: sent, messages: 1, last_bytes: sent },
            Traffic { bytes: received, messages: 1, last_bytes: received },
        );
        call.finish();
    }
}

/// CPU time of this process per call, until `delivered` returns.
fn turn(mut call: impl FnMut(&'static str), delivered: impl FnOnce()) -> f64 {
    let before = clock::process();
    for _ in 0..CALLS / BURST {
        METHODS.into_iter().cycle().take(BURST as usize).for_each(&mut call);
        std::thread::sleep(PAUSE);
    }
    delivered();
    (clock::process() - before) / CALLS as f64
}

pub(crate) fn against_otlp() -> Result<Vec<Figure>, String> {
    const LIVES: &str = "the null server lives";
    let paths = ["/rpc-span/v1/traces", "/opentelemetry-otlp/v1/traces"];
    let server = NullServer::start().map_err(|error| format!("the null server does not start: {error}"))?;
    let live = Live::sending("rpc-span", "otlp", &format!("http://{}{}", server.address, paths[0]))?;
    let exporter = Exporter::new(server.address, paths[1])?;

    let server = RefCell::new(server);
    let (mut ours, mut peer) = (0, 0);
    let mut our_turn = || {
        ours += CALLS;
        let delivered = || _ = server.borrow_mut().wait_for(paths[0], ours).expect(LIVES);
        let cost = turn(|method| call(&live.tap, method), delivered);
        std::thread::sleep(REST);
        cost
    };
    let mut peer_turn = || {
        peer += CALLS;
        let delivered = || {
            exporter.flush().expect("the exporter reaches the null server");
            server.borrow_mut().wait_for(paths[1], peer).expect(LIVES);
        };
        turn(|method| exporter.call(method), delivered)
    };
    let rounds = interleave(ROUNDS, &mut [&mut our_turn, &mut peer_turn]);

    live.nothing_dropped()?;
    live.all_started()?;
    let taken = [(paths[0], ours), (paths[1], peer)].map(|(path, sent)| {
        let taken = server.borrow_mut().wait_for(path, sent).expect(LIVES);
        (taken.spans == sent, taken)
    });
    let [(all_of_ours, ours), (all_of_peer, peer)] = &taken;
    if !all_of_ours || !all_of_peer || ours.last != peer.last {
        return Err(format!("not the same spans came: {ours:?} and {peer:?}"));
    }
    let (ours, peer) = (rounds.cost(0), rounds.cost(1));
    Ok(vec![
        Figure::new(AGAINST_OTLP[0], rounds.ratio(0, 1), "ratio").at_most(0.5).of(ours, peer),
        Figure::new(AGAINST_OTLP[1], ours, "ns"),
    ])
}
