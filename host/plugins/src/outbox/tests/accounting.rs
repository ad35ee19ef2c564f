//! The books balance at every moment, and agree with what the server counted itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::server::{Server, status};
use super::{Desk, check};
use crate::outbox::Refusal;

#[test]
fn accepted_is_delivered_and_queued_and_dropped_at_every_moment() {
    const THREADS: usize = 3;
    const EACH: usize = 400;
    let taken = Arc::new(Mutex::new((BTreeSet::new(), BTreeSet::new())));
    let counts = taken.clone();
    let server = Server::start(move |n, seen| {
        let (taken, refused) = &mut *counts.lock().expect("a lock");
        match n % 11 {
            3 => status(503),
            7 => {
                assert!(refused.insert(seen.text()), "what was rejected does not come again");
                status(400)
            }
            _ => {
                assert!(taken.insert(seen.text()), "what was taken does not come again");
                status(204)
            }
        }
    });
    let desk = Desk::with(&format!("{}\nqueue = \"64KiB\"", server.url("/")));
    let over = AtomicBool::new(false);
    let (committed, moments) = thread::scope(|scope| {
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let desk = &desk;
                scope.spawn(move || {
                    let mut committed = 0_u64;
                    for n in 0..EACH {
                        loop {
                            match desk.outbox.send("t", "d", "", format!("{thread}-{n}").into_bytes()) {
                                // Some change their mind.
                                Ok(parcel) if n % 10 == 9 => drop(parcel),
                                Ok(parcel) => {
                                    parcel.commit();
                                    committed += 1;
                                }
                                Err(Refusal::Full) => {
                                    thread::yield_now();
                                    continue;
                                }
                                Err(refusal) => panic!("{refusal}"),
                            }
                            break;
                        }
                    }
                    committed
                })
            })
            .collect();
        let checker = scope.spawn(|| {
            let mut moments = 0_u64;
            while !over.load(Ordering::Relaxed) {
                check(&desk.state("d"));
                moments += 1;
            }
            moments
        });
        let committed: u64 = senders.into_iter().map(|sender| sender.join().expect("joined")).sum();
        assert!(desk.shutdown());
        over.store(true, Ordering::Relaxed);
        (committed, checker.join().expect("joined"))
    });
    let state = desk.state("d");
    check(&state);
    let (taken, refused) = &*taken.lock().expect("a lock");
    assert_eq!(committed, (THREADS * EACH * 9 / 10) as u64);
    assert_eq!((state.accepted, state.queued.payloads), (committed, 0));
    assert_eq!(state.delivered, taken.len() as u64, "the server's own count");
    assert_eq!(state.dropped.get("rejected"), Some(&(refused.len() as u64)), "the server's own count");
    assert!(moments > 0 && state.retries > 0);
}
