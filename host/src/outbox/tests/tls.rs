//! HTTPS: who is believed, and who is not.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::thread;

use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::server::{Seen, serve, status};
use super::{Desk, words};
use crate::outbox::sink::Trust;

/// A server with a certificate for `name`; its port, the roots that vouch for it, and what it sees.
fn server(name: &str) -> (u16, Arc<RootCertStore>, std::sync::mpsc::Receiver<Seen>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = StdListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("an address").port();
    let (tell, seen) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let (answer, requests) = (Arc::new(|_: usize, _: &Seen| status(200)), Arc::new(AtomicUsize::new(0)));
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve(
                        TokioIo::new(stream),
                        connection,
                        answer.clone(),
                        requests.clone(),
                        tell.clone(),
                    ));
                }
            }
        });
    });
    (port, Arc::new(roots), seen)
}

#[test]
fn a_server_with_a_certificate_that_is_believed_gets_its_payloads() {
    let (port, roots, seen) = server("localhost");
    let desk = Desk::trusting(Trust::Roots(roots));
    desk.define(&[("d", &format!("url = \"https://localhost:{port}/v1/traces\""))]);
    desk.send(vec![7; 300_000]);
    desk.send("two");
    let state = desk.until("delivered", |state| state.delivered == 2);
    assert_eq!((state.kind, state.retries), ("https", 0));
    assert_eq!(state.place, format!("https://localhost:{port}/v1/traces"));
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen.iter().map(|seen| (seen.body.len(), seen.connection)).collect::<Vec<_>>(), [(300_000, 0), (3, 0)]);
}

#[test]
fn a_server_with_a_certificate_of_somebody_else_gets_nothing() {
    let (port, _, seen) = server("localhost");
    let (_, others, _) = server("localhost");
    let (elsewhere, roots, seen_elsewhere) = server("elsewhere.invalid");
    for (port, roots, seen) in [(port, others, seen), (elsewhere, roots, seen_elsewhere)] {
        let desk = Desk::trusting(Trust::Roots(roots));
        desk.define(&[("d", &format!("url = \"https://localhost:{port}/\""))]);
        desk.send("private");
        let state = desk.until("failing", |state| state.state == "failing" && state.retries > 1);
        assert!(words(&state).contains("certificate"), "{}", words(&state));
        assert_eq!((state.delivered, seen.try_iter().count()), (0, 0));
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_named() {
    let plain = super::server::Server::start(|_, _| status(200));
    let (_, roots, _) = server("localhost");
    let desk = Desk::trusting(Trust::Roots(roots));
    desk.define(&[("d", &format!("url = \"https://localhost:{}/\"", plain.address.port()))]);
    desk.send("private");
    let state = desk.until("failing", |state| state.state == "failing");
    assert!(words(&state).contains("no TLS with localhost"), "{}", words(&state));
}

#[test]
fn whom_the_system_believes_is_asked_of_the_system() {
    let desk = Desk::new();
    let (port, _, seen) = server("localhost");
    desk.define(&[("d", &format!("url = \"https://localhost:{port}/\""))]);
    desk.send("private");
    // Where the system has no roots, the destination waits for them; where it has, none of them vouches for this server.
    let state = desk.until("in trouble", |state| state.last_error.is_some());
    let expected = if state.state == "waiting" { "root certificates" } else { "certificate" };
    assert!(words(&state).contains(expected), "{}", words(&state));
    assert_eq!((state.delivered, seen.try_iter().count()), (0, 0));
}
