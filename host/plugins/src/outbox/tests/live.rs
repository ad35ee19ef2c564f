//! Destinations that come, change and go while payloads wait; bounds; the end.

use std::time::{Duration, Instant};

use super::server::{Answer, Server, status};
use super::{Desk, PATIENCE, check, words};
use crate::outbox::Refusal;

#[test]
fn only_who_is_granted_a_destination_may_use_it() {
    let desk = Desk::with("url = \"udp://127.0.0.1:9\"\ntracers = [\"a\"]");
    let send = |tracer: &str, name: &str| desk.outbox.send(tracer, name, "", vec![1]).map(drop);
    assert_eq!(send("a", "d"), Ok(()));
    assert_eq!(send("b", "d"), Err(Refusal::Unknown));
    assert_eq!(send("a", "e"), Err(Refusal::Unknown));
    assert_eq!(desk.state("d").refused.get("not_granted"), Some(&1));
    desk.define(&[("d", "url = \"udp://127.0.0.1:9\"\ntracers = [\"b\"]")]);
    assert_eq!((send("a", "d"), send("b", "d")), (Err(Refusal::Unknown), Ok(())));
}

#[test]
fn a_queue_is_bounded_and_space_that_is_not_committed_comes_back() {
    let server = Server::start(|_, _| Answer::Hangs);
    let desk = Desk::with(&format!("{}\nqueue = \"10KiB\"\nmax_payload = \"4KiB\"", server.url("/")));
    let send = |bytes: usize| desk.outbox.send("t", "d", "", vec![0; bytes]);
    assert_eq!(send(4097).map(drop), Err(Refusal::TooLarge));
    let one = send(4096).expect("space");
    let two = send(4096).expect("space");
    assert_eq!(send(4096).map(drop), Err(Refusal::Full));
    drop(one);
    let three = send(4096).expect("the space came back");
    two.commit();
    three.commit();
    assert_eq!(send(4096).map(drop), Err(Refusal::Full));
    let state = desk.state("d");
    check(&state);
    assert_eq!((state.accepted, state.queued.payloads), (2, 2));
    assert!(state.queued.bytes >= 8192 && state.queued.bytes <= 10 << 10);
    assert_eq!((state.refused.get("full"), state.refused.get("too_large")), (Some(&2), Some(&1)));
    assert_eq!((0..1_000).filter(|_| send(0).map(super::super::Parcel::commit).is_ok()).count(), 6, "nothing is free");
}

#[test]
fn a_payload_as_large_as_the_queue_finds_space_in_an_empty_one() {
    let server = Server::start(|_, _| status(200));
    let desk = Desk::with(&format!("{}\nqueue = \"10KiB\"", server.url("/")));
    desk.send(vec![0; 10 << 10]);
    desk.until("delivered", |state| state.delivered == 1);
}

#[test]
fn a_destination_that_stays_as_it_was_notices_nothing() {
    let server = Server::start(|n, _| if n == 0 { Answer::Hangs } else { status(200) });
    let desk = Desk::with(&server.url("/"));
    desk.send("under way");
    server.next();
    desk.define(&[("d", &server.url("/")), ("other", "url = \"udp://127.0.0.1:9\"")]);
    let state = desk.state("d");
    assert_eq!((state.accepted, state.queued.payloads, state.retries), (1, 1, 0));
    assert!(server.rest().is_empty(), "what is under way stays under way");
}

#[test]
fn a_changed_destination_keeps_its_counts_and_its_queue_goes_to_the_new_place() {
    let old = Server::start(|n, _| status(if n == 0 { 200 } else { 503 }));
    let new = Server::start(|_, _| status(200));
    // Once it fails, it would rest for ever if the change did not wake it.
    let desk = Desk { outbox: crate::outbox::Outbox::with(slow()) };
    desk.define(&[("d", &old.url("/"))]);
    desk.send("one");
    desk.until("delivered", |state| state.delivered == 1);
    desk.send("two");
    desk.send("three");
    desk.until("failing", |state| state.state == "failing");
    desk.define(&[("d", &new.url("/"))]);
    assert_eq!((new.next().text(), new.next().text()), ("two".to_owned(), "three".to_owned()));
    let state = desk.until("delivered", |state| state.delivered == 3);
    assert_eq!((state.accepted, state.state), (3, "ok"));
    assert_eq!(state.place, format!("http://{}/", new.address));
}

fn slow() -> crate::outbox::worker::Ways {
    let hour = Duration::from_secs(3_600);
    let policy = crate::outbox::retry::Policy { first: hour, most: hour };
    crate::outbox::worker::Ways { policy, recheck: hour, ..Default::default() }
}

#[test]
fn a_removed_destination_has_one_last_try_and_is_known_when_it_comes_back() {
    let server = Server::start(|n, _| status(if n == 0 { 503 } else { 200 }));
    let desk = Desk { outbox: crate::outbox::Outbox::with(slow()) };
    desk.define(&[("d", &server.url("/"))]);
    desk.send("one");
    desk.send("two");
    desk.until("failing", |state| state.state == "failing");
    let late = desk.outbox.send("t", "d", "", b"late".to_vec()).expect("space");
    desk.define(&[]);
    let state = desk.until("delivered", |state| state.delivered == 2);
    assert_eq!((state.state, state.queued.payloads), ("removed", 0));
    assert_eq!(desk.try_send("d", "no"), Err(Refusal::Unknown));
    late.commit();
    let state = desk.until("settled", |state| state.accepted == 3 && state.queued.payloads == 0);
    assert_eq!(state.delivered + state.dropped.get("removed").copied().unwrap_or(0), 3);
    desk.define(&[("d", &server.url("/"))]);
    desk.send("back");
    let before = state.delivered;
    let state = desk.until("delivered", |state| state.delivered == before + 1);
    assert_eq!((state.accepted, state.state), (4, "ok"));
}

#[test]
fn what_a_removed_destination_does_not_take_at_its_last_try_is_dropped() {
    let server = Server::start(|_, _| status(503));
    let desk = Desk { outbox: crate::outbox::Outbox::with(slow()) };
    desk.define(&[("d", &server.url("/"))]);
    desk.send("one");
    desk.send("two");
    desk.until("failing", |state| state.state == "failing");
    desk.define(&[]);
    let state = desk.until("dropped", |state| state.dropped.get("removed") == Some(&2));
    assert_eq!((state.delivered, state.queued.payloads), (0, 0));
    assert_eq!(server.rest().len(), 2, "the try that failed, and the last one");
}

#[test]
fn old_removed_destinations_are_forgotten() {
    let desk = Desk::new();
    for n in 0..200 {
        desk.define(&[(&format!("d{n}"), "url = \"udp://127.0.0.1:9\"")]);
        if n > 0 {
            let previous = desk.outbox.destination(&format!("d{}", n - 1)).expect("not forgotten yet");
            assert!(previous.wait(PATIENCE, |_| previous.gone().is_some()).is_some(), "it ends");
        }
    }
    assert!(desk.outbox.states().len() < 80, "{}", desk.outbox.states().len());
}

#[test]
fn a_shutdown_delivers_what_waits() {
    let server = Server::start(|n, _| status(if n % 3 == 0 { 503 } else { 200 }));
    let desk = Desk::with(&server.url("/"));
    for n in 0..50 {
        desk.send(format!("{n}"));
    }
    let late = desk.outbox.send("t", "d", "", b"late".to_vec()).expect("space");
    assert!(desk.shutdown());
    let state = desk.state("d");
    check(&state);
    assert_eq!((state.delivered, state.state), (50, "stopped"));
    assert_eq!(desk.try_send("d", "no"), Err(Refusal::Full));
    late.commit();
    let state = desk.state("d");
    check(&state);
    assert_eq!((state.accepted, state.dropped.get("shutdown")), (51, Some(&1)));
    desk.define(&[("e", "url = \"stdout:\"")]);
    assert_eq!(desk.outbox.states().len(), 1, "nothing is configured after the end");
}

#[test]
fn a_shutdown_ends_in_time_whatever_a_server_does() {
    let server = Server::start(|_, _| Answer::Hangs);
    let desk = Desk::with(&server.url("/"));
    desk.send("one");
    desk.send("two");
    server.next();
    let began = Instant::now();
    assert!(!desk.outbox.shutdown(began + Duration::from_millis(100)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let state = desk.state("d");
    check(&state);
    assert_eq!((state.delivered, state.dropped.get("shutdown")), (0, Some(&2)));
}

#[test]
fn a_shutdown_does_not_wait_where_the_next_try_would_come_too_late() {
    let server = Server::start(|_, _| status(503));
    let desk = Desk { outbox: crate::outbox::Outbox::with(slow()) };
    desk.define(&[("d", &server.url("/"))]);
    desk.send("one");
    desk.until("failing", |state| state.state == "failing");
    let began = Instant::now();
    assert!(!desk.shutdown());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(server.rest().len(), 2, "it was asked once more");
}

#[test]
fn a_shutdown_does_not_wait_for_what_is_missing() {
    let desk = Desk::with(
        "url = \"http://127.0.0.1:9/\"\nheaders = { authorization = { env = \"HOTTAP_TEST_THAT_NOBODY_SETS\" } }",
    );
    desk.send("one");
    let began = Instant::now();
    assert!(!desk.shutdown());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(desk.state("d").dropped.get("shutdown"), Some(&1));
}

#[test]
fn an_outbox_without_destinations_has_no_thread_and_ends_at_once() {
    let outbox = crate::outbox::Outbox::new();
    outbox.configure(std::collections::BTreeMap::new());
    assert!(outbox.states().is_empty());
    assert!(outbox.shutdown(Instant::now()));
    assert_eq!(outbox.send("t", "d", "", vec![]).map(drop), Err(Refusal::Unknown));
}

#[test]
fn a_parcel_outlives_its_outbox() {
    let desk = Desk::with("url = \"udp://127.0.0.1:9\"");
    let parcel = desk.outbox.send("t", "d", "", vec![1]).expect("space");
    drop(desk);
    parcel.commit();
}

#[test]
fn a_destination_moved_to_datagrams_drops_what_they_cannot_carry() {
    let server = Server::start(|_, _| status(503));
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let desk = Desk::with(&server.url("/"));
    desk.send(vec![0; 100_000]);
    desk.send("small");
    desk.until("failing", |state| state.state == "failing");
    desk.define(&[("d", &format!("url = \"udp://{}\"", receiver.local_addr().expect("an address")))]);
    let state = desk.until("settled", |state| state.queued.payloads == 0);
    assert_eq!((state.delivered, state.dropped.get("too_large")), (1, Some(&1)));
    assert!(words(&state).contains("max_payload"), "{}", words(&state));
}
