//! TLS: who is believed and who is not, what is spoken over it, and who the client is.

use std::sync::Arc;

use hottap::Hottap;
use hottap::client::{ClientBuilder, ErrorKind, Phase, Tls, TlsError};
use hottap::rpc::{Outcome, Transport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::counted::{self, check};
use crate::recorder::Recorder;
use crate::script::{Handler, OK, Script, answer, get};

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str, expired: bool) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        if expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }
}

fn acceptor((certificate, key): (String, String), clients: Option<&Authority>, alpn: &[&[u8]]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let mut config = builder.with_single_cert(vec![certificate], key).expect("a configuration");
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config).into()
}

async fn serve(acceptor: TlsAcceptor) -> Handler {
    let version = |request: http::Request<bytes::Bytes>, _| async move {
        match request.version() {
            http::Version::HTTP_2 => answer(200, &[("content-type", "application/grpc"), ("grpc-status", "5")], ""),
            _ => answer(200, &[], "one"),
        }
    };
    Handler::at("127.0.0.1:0".parse().expect("an address"), Some(acceptor), version).await
}

/// A client of a server whose certificate is for localhost.
fn client(tap: &Hottap, server: &Handler, tls: Tls) -> ClientBuilder {
    tap.client(format!("https://localhost:{}", server.address.port())).tls(tls)
}

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

#[tokio::test]
async fn what_both_prefer_is_spoken() {
    let (sent, authority) = (Recorder::default(), Authority::new());
    let tap = sent.start("shop");
    for (alpn, grpc, expected) in [
        (BOTH, false, Transport::Http2),
        (&[&b"http/1.1"[..]][..], false, Transport::Http1),
        (&[], false, Transport::Http1),
        (BOTH, true, Transport::Http2),
    ] {
        let server = serve(acceptor(authority.sign("localhost", false), None, alpn)).await;
        let builder = client(&tap, &server, Tls::new().ca_pem(authority.pem()));
        let before = sent.finished(0).await.len();
        if grpc {
            let status = counted::client(builder).unary("echo").await.expect_err("as the server says");
            assert_eq!(status.code(), tonic::Code::NotFound);
        } else {
            let client = builder.build().expect("builds");
            get(&client, "/").await.expect("a response");
            get(&client, "/").await.expect("a response");
            assert_eq!(server.accepted(), 1);
        }
        let info = sent.finished(before + 1).await.remove(before);
        assert_eq!(info.config().transport(), expected);
        assert!(info.peer().to_string().ends_with(&format!(":{}", server.address.port())), "{}", info.peer());
    }
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_told_by_what_is_wrong_with_it() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (certificate, tls, kind, words) in [
        (
            authority.sign("elsewhere.invalid", false),
            Tls::new().ca_pem(authority.pem()),
            ErrorKind::CertificateWrongName,
            "its certificate is for elsewhere.invalid, not for localhost, in the handshake with ",
        ),
        (
            authority.sign("localhost", true),
            Tls::new().ca_pem(authority.pem()),
            ErrorKind::CertificateExpired,
            "its certificate expired on Fri, 01 Jan 2021 00:00:00 GMT, in the handshake with ",
        ),
        (
            authority.sign("localhost", false),
            Tls::new().ca_pem(other.pem()),
            ErrorKind::CertificateUnknownIssuer,
            "its certificate is signed by no authority that is trusted here, in the handshake with ",
        ),
        (
            authority.sign("localhost", false),
            Tls::new().ca_pem(authority.pem()).server_name("inventory.internal"),
            ErrorKind::CertificateWrongName,
            "its certificate is for localhost, not for inventory.internal, in the handshake with ",
        ),
    ] {
        let sent = Recorder::default();
        let tap = sent.start("shop");
        let server = serve(acceptor(certificate, None, BOTH)).await;
        let error = get(&client(&tap, &server, tls.clone()).build().expect("builds"), "/").await.expect_err("refused");
        assert_eq!((error.kind(), error.phase()), (kind, Phase::Handshake), "{error:?}");
        assert!(error.to_string().starts_with(words), "{error}");
        let status = counted::client(client(&tap, &server, tls)).unary("echo").await.expect_err("refused");
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(status.message().starts_with(words), "{status:?}");
        for info in sent.finished(2).await {
            check(&info, Outcome::Error, "certificate");
        }
        assert_eq!(server.handled(), 0);
        sent.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_server_of_another_name_is_believed_by_that_name() {
    let (sent, authority) = (Recorder::default(), Authority::new());
    let server = serve(acceptor(authority.sign("inventory.internal", false), None, BOTH)).await;
    let tls = Tls::new().ca_pem(authority.pem()).server_name("inventory.internal");
    get(&client(&sent.start("shop"), &server, tls).build().expect("builds"), "/").await.expect("a response");
    check(&sent.one().await, Outcome::Ok, "");
}

#[tokio::test]
async fn a_client_says_who_it_is() {
    let (sent, authority) = (Recorder::default(), Authority::new());
    let tap = sent.start("shop");
    let server = serve(acceptor(authority.sign("localhost", false), Some(&authority), BOTH)).await;
    let tls = Tls::new().ca_pem(authority.pem());
    let error = get(&client(&tap, &server, tls.clone()).build().expect("builds"), "/").await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(error.to_string().starts_with("TLS failed: received fatal alert: CertificateRequired, before"), "{error}");
    let (certificate, key) = authority.sign("shop", false);
    let tls = tls.identity_pem(certificate, key);
    get(&client(&tap, &server, tls).build().expect("builds"), "/").await.expect("a response");
    let rows = sent.finished(2).await;
    check(&rows[0], Outcome::Error, "tls");
    check(&rows[1], Outcome::Ok, "");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_apart_from_one_that_breaks_off() {
    let authority = Authority::new();
    for (words, kind, error_type, told) in [
        (Some(OK), ErrorKind::NotTls, "tls", "it speaks no TLS, but another protocol such as plain HTTP, in the"),
        (Some(&b"\x16\x03\x03\x00\x04nope"[..]), ErrorKind::NotTls, "tls", "it speaks no TLS"),
        (None, ErrorKind::Reset, "reset", "the peer broke off, in the handshake with"),
    ] {
        let sent = Recorder::default();
        let server = Script::start(move |mut wire, _| async move {
            if let Some(words) = words {
                wire.write(words).await;
                wire.drain().await;
            }
        })
        .await;
        let endpoint = format!("https://localhost:{}", server.address.port());
        let client = sent.start("shop").client(endpoint).tls(Tls::new().ca_pem(authority.pem()));
        let error = get(&client.build().expect("builds"), "/").await.expect_err("no hands are shaken");
        assert_eq!((error.kind(), error.phase()), (kind, Phase::Handshake), "{error:?}");
        assert!(error.to_string().starts_with(told), "{error}");
        check(&sent.one().await, Outcome::Error, error_type);
        sent.assert_each_finished_once();
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_is_timed_out() {
    let (sent, authority) = (Recorder::default(), Authority::new());
    let server = Script::start(|mut wire, _| async move { wire.drain().await }).await;
    let endpoint = format!("https://127.0.0.1:{}", server.address.port());
    let client = sent.start("shop").client(endpoint).tls(Tls::new().ca_pem(authority.pem()));
    let error = get(&client.build().expect("builds"), "/").await.expect_err("no hands are shaken");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectTimedOut, Phase::Handshake));
    check(&sent.one().await, Outcome::Error, "connect_timeout");
}

#[tokio::test]
async fn what_tls_cannot_be_set_up_with_is_named() {
    let sent = Recorder::default();
    let build = |tls: Tls| sent.start("shop").client("https://localhost").tls(tls).build();
    let authority = Authority::new();
    for (tls, words) in [
        (Tls::new().ca_pem("no PEM"), "authorities' certificates"),
        (Tls::new().ca_pem(authority.pem()).identity_pem("no PEM", "no key"), "client's certificate"),
        (Tls::new().ca_pem(authority.pem()).server_name("a name"), "no name that a certificate could have"),
    ] {
        let error = build(tls).expect_err("cannot be set up");
        assert!(error.to_string().contains(words), "{error}");
    }
    let (certificate, _) = authority.sign("shop", false);
    let (_, key) = authority.sign("shop", false);
    let error = build(Tls::new().ca_pem(authority.pem()).identity_pem(certificate, key)).expect_err("do not fit");
    assert!(matches!(error, hottap::client::BuildError::Tls(TlsError::Setup(_))), "{error:?}");
}
