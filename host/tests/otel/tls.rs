//! Export over TLS: to a collector whose certificate is the one that was named, and to one whose is not.

use std::sync::Arc;
use std::time::Duration;

use hottap::Hottap;
use hottap::otel::Otel;
use hottap::rpc::Side;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::collector::Collector;
use crate::log;

/// A collector for `localhost`, and its certificate in a file.
fn collector() -> (Collector, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes one");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pem(made.cert.der())).expect("written");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they fit");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Collector::tls(TlsAcceptor::from(Arc::new(config))), file)
}

/// A certificate as PEM has it.
fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, three) in der.chunks(3).enumerate() {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place > three.len() { '=' } else { digit.into() });
        }
        if index % 16 == 15 {
            text.push('\n');
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

fn export(collector: &Collector, certificate: &tempfile::NamedTempFile, protocol: &str) -> Otel {
    let table = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", collector.address.port())),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate.path().display().to_string()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
    ];
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
    assert!(lines[0].to_ascii_lowercase().contains("certificate"), "{lines:?}");
    assert!(collector.heads().is_empty());
    otel.shutdown(Duration::from_secs(1));
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
