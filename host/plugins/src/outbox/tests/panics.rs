//! A panic of the host's while it delivers a payload.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::super::destination::{Destination, Next};
use super::super::parcel::{Parcel, Payload, cost};
use super::super::worker::through_panics;
use super::{check, definition};

#[test]
fn a_panic_costs_the_payload_that_was_being_delivered_and_no_other() {
    let destination = Arc::new(Destination::new("d", definition("url = \"udp://127.0.0.1:9\""), None));
    for text in ["odd", "one", "two"] {
        let payload = text.as_bytes().to_vec();
        destination.reserve("t", payload.len(), cost(&payload)).expect("there is space");
        Parcel::new(destination.clone(), Payload::new("", payload)).commit();
    }
    let mut tries = 0;
    let work = || {
        tries += 1;
        let (is_first, destination) = (tries == 1, destination.clone());
        poll_fn(move |_| {
            while let Next::Work(job) = destination.next()
                && let Some(payload) = job.payload
            {
                assert!(!is_first, "an odd payload");
                destination.delivered(payload.id);
            }
            Poll::Ready(())
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(through_panics(&destination, Duration::from_millis(1), work));
    assert_eq!(tries, 2);
    let state = destination.state();
    check(&state);
    assert_eq!((state.delivered, state.dropped.get("panic").copied()), (2, Some(1)), "{state:#?}");
    let error = state.last_error.expect("an error");
    assert!(error.message.contains("an odd payload") && error.what_to_do.contains("report it"), "{error:?}");
}
