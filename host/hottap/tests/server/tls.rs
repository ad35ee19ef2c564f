//! TLS: who is believed, which HTTP is agreed on, and what becomes of those who can't shake hands.

use std::sync::Arc;

use hottap::server::{Tls, TlsError};
use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::frames::{Two, get};
use crate::house::{House, SHORT};
use crate::raw::Raw;

/// DER as PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Somebody who vouches for others.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// Somebody vouched for.
struct Identity {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let (pem, der) = (pem("CERTIFICATE", certificate.der()), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    fn vouch(&self, name: &str, until: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("names");
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            pem: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }
}

const FAR: i32 = 2100;
const PAST: i32 = 2001;

/// A house with a certificate, and who vouches for it.
async fn house(clients: Option<&Authority>) -> (House, Authority) {
    let authority = Authority::new();
    let own = authority.vouch("localhost", FAR);
    let mut tls = Tls::from_pem(own.pem.as_bytes(), own.key.as_bytes()).expect("TLS");
    if let Some(clients) = clients {
        tls = tls.client_ca(clients.pem.as_bytes()).expect("roots");
    }
    let house = House::start(|server| server.tls(tls).tls_timeout(SHORT * 10)).await;
    (house, authority)
}

/// Shakes hands as somebody or nobody, speaking these protocols.
async fn shake(
    house: &House,
    trusted: &Authority,
    identity: Option<&Identity>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_der.clone()));
            config.with_client_auth_cert(vec![identity.der.clone()], key).expect("a pair")
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = TcpStream::connect(house.address()).await.expect("connects");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

const ENDS: &str = "GET /ends HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn the_client_says_which_http_or_lets_its_first_bytes_say_it() {
    let (house, authority) = house(None).await;
    for protocols in [&[b"http/1.1".as_slice()][..], &[]] {
        let mut raw = Raw::new(shake(&house, &authority, None, protocols).await.expect("shakes hands"));
        raw.send(ENDS).await;
        let answer = raw.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(" true 0"), "{answer}");
    }
    for protocols in [&[b"h2".as_slice(), b"http/1.1"][..], &[]] {
        let stream = shake(&house, &authority, None, protocols).await.expect("shakes hands");
        let mut two = Two::over(Raw::new(stream)).await;
        two.send(get(1, "/hello")).await;
        two.await_end(1).await;
    }
    assert_eq!(house.served.finished(4).await.len(), 4);
    house.until(|seen| seen.open == 0).await;
    house.close().await;
}

#[tokio::test]
async fn a_protocol_that_nobody_speaks_is_refused() {
    let (house, authority) = house(None).await;
    shake(&house, &authority, None, &[b"spdy/3"]).await.expect_err("not that");
    house.until(|seen| seen.closed.tls == 1).await;
    // Who agreed on HTTP/2 and speaks HTTP/1.1 is not served either.
    let mut raw = Raw::new(shake(&house, &authority, None, &[b"h2"]).await.expect("shakes hands"));
    raw.send(ENDS).await;
    assert!(!raw.rest().await.contains("200"));
    house.until(|seen| seen.closed.protocol == 1).await;
    house.close().await;
}

#[tokio::test]
async fn a_client_is_asked_who_it_is_if_somebody_is_to_vouch_for_it() {
    let (clients, others) = (Authority::new(), Authority::new());
    let (house, authority) = house(Some(&clients)).await;
    let (known, late, foreign) = (clients.vouch("ann", FAR), clients.vouch("bob", PAST), others.vouch("eve", FAR));
    let mut raw = Raw::new(shake(&house, &authority, Some(&known), &[]).await.expect("shakes hands"));
    raw.send(ENDS).await;
    let answer = raw.rest().await;
    assert!(answer.ends_with(" true 1"), "the handler sees the certificate: {answer}");
    for (identity, why) in [(None, "nobody"), (Some(&late), "expired"), (Some(&foreign), "foreign")] {
        // In TLS 1.3 a client learns of it only when it reads.
        if let Ok(stream) = shake(&house, &authority, identity, &[]).await {
            let mut raw = Raw::new(stream);
            let _ = raw.try_send(ENDS).await;
            assert_eq!(raw.rest().await, "", "{why}");
        }
    }
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.tls, 3, "{seen:?}");
    assert_eq!(house.served.finished(1).await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn who_does_not_shake_hands_is_let_go() {
    let (house, _) = house(None).await;
    // A client hello of TLS 1.0 with one cipher that nobody uses any more.
    let old_hello: &[u8] = &[&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..], &[7; 32], &[0, 0, 2, 0, 5, 1, 0]].concat();
    for (bytes, tls, why) in [
        (&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], 1, "plain HTTP"),
        (&[0xff; 64], 2, "garbage"),
        (old_hello, 3, "an old version"),
    ] {
        let mut raw = house.connect().await;
        raw.send(bytes).await;
        raw.rest_of_bytes().await;
        let seen = house.until(|seen| seen.open == 0).await;
        assert_eq!(seen.closed.tls, tls, "{why}: {seen:?}");
    }
    let mut silent = house.connect().await;
    assert_eq!(silent.rest().await, "");
    let mut half = house.connect().await;
    half.send(&old_hello[..20]).await;
    assert_eq!(half.rest().await, "");
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.tls_timeout, 2, "{seen:?}");
    house.close().await;
}

#[test]
fn certificates_that_cannot_be_used_are_named_before_the_server_listens() {
    let authority = Authority::new();
    let (one, other) = (authority.vouch("localhost", FAR), authority.vouch("localhost", FAR));
    let error = |chain: &str, key: &str| Tls::from_pem(chain.as_bytes(), key.as_bytes()).expect_err("not these");
    assert!(matches!(error("", &one.key), TlsError::NoCertificate));
    assert!(matches!(error(&one.pem, ""), TlsError::Key(_)));
    assert!(matches!(error(&one.pem, &other.key), TlsError::Pair(_)));
    assert!(matches!(Tls::from_files("/nowhere", "/nowhere").expect_err("none"), TlsError::File { .. }));
    let tls = Tls::from_pem(one.pem.as_bytes(), one.key.as_bytes()).expect("TLS");
    assert!(matches!(tls.client_ca(b"").expect_err("nobody vouches"), TlsError::NoCertificate));
}
