//! Export over TLS: to a collector whose certificate is the one that was named, and to one whose is not; to one that wants
//! to see a certificate.

use std::sync::Arc;
use std::time::Duration;

use hottap::Hottap;
use hottap::otel::Otel;
use hottap::rpc::Side;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use crate::collector::{Collector, Manner};
use crate::export::set_up;
use crate::log;

/// A collector for `localhost`, and its certificate in a file.
fn collector() -> (Collector, tempfile::NamedTempFile) {
    started(|config| Ok(config.with_no_client_auth()))
}

/// The same, which wants to see this certificate.
fn strict_collector(client: &CertificateDer<'static>) -> (Collector, tempfile::NamedTempFile) {
    let mut known = RootCertStore::empty();
    known.add(client.clone()).expect("a certificate");
    started(|config| {
        let verifier = WebPkiClientVerifier::builder_with_provider(known.into(), provider()).build()?;
        Ok(config.with_client_cert_verifier(verifier))
    })
}

/// A collector whose certificate expired with the year 2020.
fn expired_collector() -> (Collector, tempfile::NamedTempFile) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    let signing_key = rcgen::KeyPair::generate().expect("a key");
    let cert = params.self_signed(&signing_key).expect("a certificate");
    started_with(&rcgen::CertifiedKey { cert, signing_key }, |config| Ok(config.with_no_client_auth()))
}

type Verified = rustls::ConfigBuilder<rustls::ServerConfig, rustls::server::WantsServerCert>;

fn started(
    verified: impl FnOnce(
        rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier>,
    ) -> Result<Verified, VerifierBuilderError>,
) -> (Collector, tempfile::NamedTempFile) {
    started_with(&made(), verified)
}

fn started_with(
    made: &rcgen::CertifiedKey<rcgen::KeyPair>,
    verified: impl FnOnce(
        rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier>,
    ) -> Result<Verified, VerifierBuilderError>,
) -> (Collector, tempfile::NamedTempFile) {
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let mut config =
        verified(config).expect("a verifier").with_single_cert(vec![made.cert.der().clone()], key).expect("they fit");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Collector::tls(TlsAcceptor::from(Arc::new(config))), file(&made.cert.pem()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn made() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes one")
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn path(file: &tempfile::NamedTempFile) -> String {
    file.path().display().to_string()
}

fn export(collector: &Collector, certificate: &tempfile::NamedTempFile, protocol: &str) -> Otel {
    export_with(collector, certificate, protocol, &[])
}

fn export_with(
    collector: &Collector,
    certificate: &tempfile::NamedTempFile,
    protocol: &str,
    more: &[(&'static str, String)],
) -> Otel {
    let mut table = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", collector.address.port())),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", path(certificate)),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
    ];
    table.extend_from_slice(more);
    let find = move |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    let otel = Otel::with_variables(find).expect("valid");
    let tap = Hottap::builder().tracer(otel.spans()).start().expect("starts");
    tap.start_call(Side::Endpoint, "place_order").expect("wanted").finish();
    otel
}

#[test]
fn a_collector_with_the_named_certificate_gets_spans() {
    for protocol in ["http/protobuf", "grpc"] {
        let (collector, certificate) = collector();
        let otel = export(&collector, &certificate, protocol);
        assert!(otel.shutdown(Duration::from_secs(10)), "{protocol}");
        assert_eq!(collector.spans(), ["place_order"]);
    }
}

#[test]
fn a_collector_with_another_certificate_gets_nothing_and_the_log_says_why() {
    log::keep();
    let ((collector, _own), (_other, certificate)) = (collector(), collector());
    let otel = export(&collector, &certificate, "http/protobuf");
    assert!(!otel.flush());
    assert_eq!((otel.counts().failed, otel.counts().exported), (1, 0));
    let lines = log::lines(&format!("localhost:{}", collector.address.port()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    let words = "no TLS with localhost: its certificate is signed by no authority that is trusted here; if the \
                 certificate is the right one, trust its authority: name a file of PEM in OTEL_EXPORTER_OTLP_CERTIFICATE";
    assert!(lines[0].contains(words), "{lines:?}");
    assert!(collector.heads().is_empty());
    otel.shutdown(Duration::from_secs(1));
}

#[test]
fn a_collector_without_tls_or_with_an_expired_certificate_is_told_of_in_the_log() {
    log::keep();
    let (_other, certificate) = collector();
    let (plain, (expired, its_certificate)) = (Collector::start(Manner::Takes), expired_collector());
    for (collector, certificate, words) in [
        (&plain, &certificate, "it speaks no TLS, but another protocol such as plain HTTP; write http:// in OTEL_"),
        (&expired, &its_certificate, "its certificate expired on Fri, 01 Jan 2021 00:00:00 GMT; renew"),
    ] {
        for protocol in ["http/protobuf", "grpc"] {
            let otel = export(collector, certificate, protocol);
            assert!(!otel.flush());
            otel.shutdown(Duration::from_secs(1));
        }
        let lines = log::lines(&format!("localhost:{}", collector.address.port()));
        let told = lines.iter().filter(|line| line.contains(&format!("no TLS with localhost: {words}"))).count();
        assert_eq!(told, 2, "{lines:?}");
    }
}

#[test]
fn a_file_without_certificates_is_an_error_that_names_variable_and_file() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().display().to_string();
    let find = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some("https://localhost:1/v1/traces".to_owned()),
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE" => Some(path.clone()),
        _ => None,
    };
    let error = Otel::with_variables(find).expect_err("nothing is in it").to_string();
    assert!(error.contains("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE") && error.contains(&path), "{error}");
}

#[test]
fn a_collector_that_demands_a_certificate_gets_spans_from_who_shows_it() {
    for protocol in ["http/protobuf", "grpc"] {
        let client = made();
        let (collector, certificate) = strict_collector(client.cert.der());
        let (shown, key) = (file(&client.cert.pem()), file(&client.signing_key.serialize_pem()));
        let pair =
            [("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path(&shown)), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path(&key))];
        let otel = export_with(&collector, &certificate, protocol, &pair);
        assert!(otel.shutdown(Duration::from_secs(10)), "{protocol}");
        assert_eq!(collector.spans(), ["place_order"]);

        let nobody = export(&collector, &certificate, protocol);
        assert!(!nobody.flush(), "{protocol}");
        assert_eq!((nobody.counts().failed, collector.spans().len()), (1, 1), "{protocol}");
        nobody.shutdown(Duration::from_secs(1));
    }
}

#[test]
fn a_key_that_is_none_or_anothers_is_an_error_that_names_variable_and_file() {
    let (own, other) = (made(), made());
    let (certificate, nothing) = (file(&own.cert.pem()), file("nothing"));
    let (key, anothers) = (file(&own.signing_key.serialize_pem()), file(&other.signing_key.serialize_pem()));
    const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE";
    const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
    for (shown, private, wrong) in [
        (&certificate, &nothing, Some((KEY, &nothing))),
        (&certificate, &anothers, Some((KEY, &anothers))),
        (&nothing, &key, Some((CERTIFICATE, &nothing))),
        (&certificate, &key, None),
    ] {
        let find = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some("https://localhost:1/v1/traces".to_owned()),
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE" => Some(path(&certificate)),
            "OTEL_METRICS_EXPORTER" => Some("none".to_owned()),
            CERTIFICATE => Some(path(shown)),
            KEY => Some(path(private)),
            _ => None,
        };
        match (Otel::with_variables(find), wrong) {
            (Ok(otel), None) => _ = otel.shutdown(Duration::from_secs(1)),
            (Err(error), Some((variable, file))) => {
                let error = error.to_string();
                assert!(error.contains(variable) && error.contains(&path(file)), "{error}");
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_host_that_no_certificate_can_name_is_told_of_by_the_variable_that_named_it() {
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT";
    for wrong in [all, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] {
        let variables = [("OTEL_METRICS_EXPORTER", "otlp"), (wrong, "https://a..b:4318"), (all, "http://localhost:1")];
        let error = set_up(&variables).expect_err(wrong).to_string();
        assert!(error.contains(&format!(" {wrong} ")) && error.contains("certificate"), "{error}");
    }
}
