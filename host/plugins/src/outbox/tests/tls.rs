//! HTTPS: who is believed, and who is not.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::thread;

use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::server::{Seen, serve, status};
use super::{Desk, words};
use crate::outbox::sink::Trust;

/// A server with a certificate for `name`; its port, the roots that vouch for it, and what it sees.
fn server(name: &str) -> (u16, Arc<RootCertStore>, std::sync::mpsc::Receiver<Seen>) {
    started(name, Flaw::None)
}

/// The flaw of a test server's TLS.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// The certificate expired with the year 2020.
    Expired,
    /// It wants a certificate of its clients.
    DemandsCertificate,
    /// It speaks HTTP/2 alone over TLS.
    OnlyHttp2,
}

fn started(name: &str, flaw: Flaw) -> (u16, Arc<RootCertStore>, std::sync::mpsc::Receiver<Seen>) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    if flaw == Flaw::Expired {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(made.der().clone()).expect("a root");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let config = if flaw == Flaw::DemandsCertificate {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider).build();
        config.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        config.with_no_client_auth()
    };
    let mut config = config.with_single_cert(vec![made.der().clone()], key).expect("a configuration");
    if flaw == Flaw::OnlyHttp2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
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
fn what_is_wrong_with_tls_is_told_with_what_to_do() {
    let plain = super::server::Server::start(|_, _| status(200));
    let (_, others, _) = server("localhost");
    let ((expired, expired_roots, _), (elsewhere, elsewhere_roots, _)) =
        (started("localhost", Flaw::Expired), server("elsewhere.invalid"));
    let ((strict, strict_roots, _), (http2, http2_roots, _)) =
        (started("localhost", Flaw::DemandsCertificate), started("localhost", Flaw::OnlyHttp2));
    let (good, _, _) = server("localhost");
    for (port, roots, expected, remedy) in [
        (plain.address.port(), others.clone(), "it speaks no TLS, but another protocol", "write http:// in `url`"),
        (expired, expired_roots, "its certificate expired on Fri, 01 Jan 2021 00:00:00 GMT", "renew"),
        (good, others, "its certificate is signed by no authority that is trusted here", "SSL_CERT_FILE"),
        (
            elsewhere,
            elsewhere_roots,
            "its certificate is for elsewhere.invalid, not for localhost",
            "a name of the certificate",
        ),
        (strict, strict_roots, "it demands a certificate of this client", "without certificates of their own"),
        (http2, http2_roots, "it speaks no protocol over TLS that this side offers", "check the port in `url`"),
    ] {
        let desk = Desk::trusting(Trust::Roots(roots));
        desk.define(&[("d", &format!("url = \"https://localhost:{port}/\""))]);
        desk.send("private");
        let state = desk.until("failing", |state| state.state == "failing" && state.last_error.is_some());
        let problem = state.last_error.expect("there is one");
        assert!(
            problem.message.starts_with(&format!("no TLS with localhost: {expected}"))
                && problem.what_to_do.contains(remedy),
            "{problem:?}"
        );
    }
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
