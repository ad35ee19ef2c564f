//! Datagrams, files, pipes, standard output.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Desk, PATIENCE, words};
use crate::outbox::Refusal;

#[test]
fn one_payload_is_one_datagram() {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    receiver.set_read_timeout(Some(PATIENCE)).expect("set");
    let udp = format!("url = \"udp://{}\"", receiver.local_addr().expect("an address"));
    let desk = Desk::with(&format!("{udp}\nmax_payload = \"64KiB\""));
    let mut buffer = vec![0; 70_000];
    for payload in [b"cpu:1|c".to_vec(), Vec::new(), vec![7; 65_507]] {
        desk.send(payload.clone());
        let length = receiver.recv(&mut buffer).expect("a datagram");
        assert!(buffer[..length] == payload, "{length} of {} bytes", payload.len());
    }
    assert_eq!(desk.try_send("d", vec![0; 65_508]), Err(Refusal::TooLarge));
    let state = desk.until("delivered", |state| state.delivered == 3);
    assert_eq!((state.kind, state.accepted, state.max_payload), ("udp", 3, 65_507));
    assert!(state.refusals["too_large"].message.contains("65508 bytes from tracer \"t\""), "{state:#?}");
}

#[test]
fn a_datagram_fits_into_one_frame_unless_the_operator_says_otherwise() {
    let desk = Desk::with("url = \"udp://127.0.0.1:9\"");
    assert_eq!(desk.outbox.max_payload("t", "d"), Some(1_432));
    assert_eq!(desk.try_send("d", vec![0; 1_432]), Ok(()));
    assert_eq!(desk.try_send("d", vec![0; 1_433]), Err(Refusal::TooLarge));
    desk.define(&[("d", "url = \"udp://127.0.0.1:9\"\nmax_payload = \"8KiB\"")]);
    assert_eq!(desk.outbox.max_payload("t", "d"), Some(8 << 10), "a change counts at once");
    assert_eq!(desk.try_send("d", vec![0; 8 << 10]), Ok(()));
    assert_eq!(desk.outbox.max_payload("stranger", "d"), None);
    assert_eq!(desk.outbox.max_payload("t", "elsewhere"), None);
    desk.define(&[]);
    assert_eq!(desk.outbox.max_payload("t", "d"), None);
}

#[test]
fn a_datagram_to_nobody_is_delivered_as_far_as_anybody_can_tell() {
    let address = UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address");
    let desk = Desk::with(&format!("url = \"udp://{address}\""));
    for _ in 0..5 {
        desk.send("lost");
    }
    let state = desk.until("delivered", |state| state.delivered == 5);
    assert_eq!((state.retries, state.state), (0, "ok"));
}

#[test]
fn a_file_gets_whole_lines_is_private_and_may_be_rotated() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("calls.jsonl");
    let desk = Desk::with(&format!("url = \"file://{}\"", path.display()));
    for payload in ["{\"a\":1}", "{\"b\":2}\n", "one\ntwo", ""] {
        desk.send(payload);
    }
    desk.until("delivered", |state| state.delivered == 4);
    assert_eq!(fs::read_to_string(&path).expect("written"), "{\"a\":1}\n{\"b\":2}\none\ntwo\n\n");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    fs::rename(&path, directory.path().join("calls.jsonl.1")).expect("rotated");
    desk.send("after");
    desk.until("delivered", |state| state.delivered == 5);
    assert_eq!(fs::read_to_string(&path).expect("made anew"), "after\n");
}

#[test]
fn a_file_that_cannot_be_written_is_tried_until_it_can() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path().join("not-yet");
    let path = folder.join("calls.jsonl");
    let desk = Desk::with(&format!("url = \"file://{}\"", path.display()));
    desk.send("early");
    let state = desk.until("failing", |state| state.state == "failing" && state.retries > 0);
    assert!(words(&state).contains("calls.jsonl cannot be written"), "{}", words(&state));
    fs::create_dir(&folder).expect("made");
    desk.until("delivered", |state| state.delivered == 1 && state.state == "ok");
    assert_eq!(fs::read_to_string(&path).expect("written"), "early\n");
}

#[test]
fn a_write_that_hangs_holds_up_nobody_else_and_no_shutdown() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let file = directory.path().join("file");
    let desk = Desk::new();
    let hanging = format!("url = \"file://{}\"\ntimeout = \"20ms\"", pipe.display());
    desk.define(&[("d", &hanging), ("other", &format!("url = \"file://{}\"", file.display()))]);
    desk.send("stuck");
    let state = desk.until("failing", |state| state.state == "failing" && state.retries > 1);
    assert!(words(&state).contains("has not returned"), "{}", words(&state));
    desk.try_send("other", "free").expect("accepted");
    desk.until_of("other", "delivered", |state| state.delivered == 1);
    let began = Instant::now();
    assert!(!desk.outbox.shutdown(began + Duration::from_millis(50)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(desk.state("d").dropped.get("shutdown"), Some(&1));
    // Somebody reads at last, so that the thread that hangs in the open can end.
    drop(fs::File::options().read(true).write(true).open(&pipe).expect("opened"));
}

#[test]
fn a_write_that_hung_and_came_back_is_not_written_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let desk = Desk::with(&format!("url = \"file://{}\"\ntimeout = \"10ms\"", pipe.display()));
    desk.send("once");
    desk.until("failing", |state| state.retries > 2);
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).expect("read"));
    desk.until("delivered", |state| state.delivered == 1);
    assert!(desk.shutdown());
    assert_eq!(reader.join().expect("joined"), "once\n");
}

/// Set in the process in which the test below writes to its standard output.
const WRITES: &str = "HOTTAP_TEST_WRITES_TO_STDOUT";

#[test]
fn standard_output_gets_whole_lines() {
    if std::env::var_os(WRITES).is_some() {
        let desk = Desk::with("url = \"stdout:\"");
        desk.send("first line\nsecond line");
        desk.send("third line\n");
        assert!(desk.shutdown());
        assert_eq!(desk.state("d").delivered, 2);
        return;
    }
    let name = "outbox::tests::local::standard_output_gets_whole_lines";
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(WRITES, "1")
        .output()
        .expect("runs");
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("first line\nsecond line\nthird line\n"), "{output}");
}
