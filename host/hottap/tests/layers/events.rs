//! The events of a call: in their order at the detailed level, none at the base level.

use hottap::rpc::{EventKind, Level, RpcInfo};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::{World, collect};

fn kinds(info: &RpcInfo) -> Vec<&'static str> {
    info.stats().events().iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn the_events_of_a_call_are_recorded_in_their_order() {
    let world = World::start().await;
    world.client.unary("echo").await.expect("succeeds");
    let (client, server) = (world.sent.one().await, world.served.one().await);
    assert_eq!(
        kinds(&client),
        [
            "write_start",
            "stream_send",
            "write_finish",
            "stream_recv_header",
            "read_start",
            "stream_recv",
            "read_finish"
        ]
    );
    assert_eq!(
        kinds(&server),
        [
            "server_handle_start",
            "read_start",
            "stream_recv",
            "read_finish",
            "server_handle_finish",
            "write_start",
            "stream_send",
            "write_finish"
        ]
    );
    for info in [&client, &server] {
        let times: Vec<u64> = info.stats().events().iter().map(|event| event.at).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(times.iter().all(|at| u128::from(*at) <= info.stats().duration().as_nanos()), "{times:?}");
    }
    world.close().await;
}

#[tokio::test]
async fn what_does_not_happen_is_not_recorded() {
    let world = World::start().await;
    world.client.unary("fail 5 no").await.expect_err("fails");
    let (client, server) = (world.sent.one().await, world.served.one().await);
    for absent in [EventKind::WRITE_START, EventKind::WRITE_FINISH, EventKind::STREAM_SEND] {
        assert!(server.stats().events().get(absent).is_none(), "{:?}", kinds(&server));
    }
    for absent in [EventKind::READ_START, EventKind::READ_FINISH, EventKind::STREAM_RECV] {
        assert!(client.stats().events().get(absent).is_none(), "{:?}", kinds(&client));
    }
    world.close().await;
}

#[tokio::test]
async fn a_long_stream_keeps_its_first_and_last_events() {
    let world = World::start().await;
    assert_eq!(collect(world.client.download("1000 1 end").await.expect("starts")).await.len(), 1000);
    let (client, server) = (world.sent.one().await, world.served.one().await);
    for (info, expected) in [(&client, 4 + 3 + 1000 - 1), (&server, 5 + 3 + 1000 - 1)] {
        let events = info.stats().events();
        assert_eq!(events.len(), 32);
        // The client has written, read a head and read to the end; the server has handled, read and written.
        let all = events.len() + events.elided() as usize;
        assert!(all == expected || all == expected + 1, "{all} of {expected}");
        let times: Vec<u64> = events.iter().map(|event| event.at).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    assert_eq!(kinds(&client).last(), Some(&"read_finish"));
    assert_eq!(kinds(&server).last(), Some(&"write_finish"));
    world.close().await;
}

#[tokio::test]
async fn at_the_base_level_no_event_is_recorded() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let client_tap = sent.start_with("shop", Level::Base);
    let server_tap = served.start_with("echo", Level::Base);
    let world = World::of(Echo::default(), (&client_tap, sent), (&server_tap, served)).await;
    world.client.unary("echo").await.expect("succeeds");
    for info in [world.sent.one().await, world.served.one().await] {
        assert!(info.stats().events().is_empty());
        assert_eq!(info.stats().received().messages, 1);
    }
    world.close().await;
}
