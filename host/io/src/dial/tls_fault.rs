//! The reason why TLS with a server failed, and what to do about it, in words for people. Pure.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

use hottap_core::rpc::cut;

/// Errors looked at in a chain of causes.
const MAX_CAUSES: usize = 12;
/// Names of a certificate that are shown, and bytes of all of them: they are the server's text.
const MAX_NAMES: usize = 3;
const MAX_NAMES_BYTES: usize = 200;

/// The kind of a TLS failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReason {
    /// The server does not speak TLS.
    NotTls,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotValidYet,
    /// No authority that is trusted has signed the certificate.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName,
    /// The certificate was not accepted for another reason.
    Certificate,
    /// The server wants a certificate of the client, or another one.
    Identity,
    /// The server speaks no protocol that was offered over TLS.
    Protocol,
    /// There is no version or cipher of TLS that both sides speak.
    Version,
    /// Another failure.
    Other,
}

/// The reason for a TLS failure. Display continues the sentence after the server's name, such as "it speaks no TLS".
#[derive(Debug)]
pub struct TlsFault {
    pub reason: TlsReason,
    words: Cow<'static, str>,
}

/// The remedies that only the client in question can name.
pub struct Remedies {
    /// The setting that holds the server's address, such as "`url`".
    pub address: &'static str,
    /// The instruction for trusting another authority, such as "name a file of it in SSL_CERT_FILE".
    pub authority: &'static str,
    /// The instruction for giving the client a certificate of its own.
    pub identity: &'static str,
}

impl TlsFault {
    /// The first error of TLS in a chain of causes; none if there is none.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let causes = std::iter::successors(Some(error), |&error| error.source()).take(MAX_CAUSES);
        let mut found = causes.filter_map(|cause| {
            let inner = || cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>();
            cause.downcast_ref::<rustls::Error>().or_else(inner)
        });
        found.next().map(Self::of)
    }

    fn of(error: &rustls::Error) -> Self {
        let (reason, words) = match error {
            rustls::Error::InvalidMessage(_) => {
                (TlsReason::NotTls, "it speaks no TLS, but another protocol such as plain HTTP".into())
            }
            rustls::Error::InvalidCertificate(error) => of_certificate(error),
            rustls::Error::AlertReceived(alert) => of_alert(*alert),
            rustls::Error::NoApplicationProtocol => no_protocol(),
            rustls::Error::PeerIncompatible(_) => (
                TlsReason::Version,
                format!("it has no version or cipher of TLS in common with this side: {error}").into(),
            ),
            error => (TlsReason::Other, error.to_string().into()),
        };
        Self { reason, words }
    }

    /// One sentence for the operator.
    pub fn what_to_do(&self, remedies: &Remedies) -> String {
        let Remedies { address, authority, identity } = remedies;
        match self.reason {
            TlsReason::NotTls => format!("write http:// in {address}, or the port on which the server speaks TLS"),
            TlsReason::Expired => "renew the server's certificate, or correct this machine's clock".into(),
            TlsReason::NotValidYet => "correct this machine's clock, or the server's certificate".into(),
            TlsReason::UnknownIssuer => {
                format!("if the certificate is the right one, trust its authority: {authority}")
            }
            TlsReason::WrongName => format!("write a name of the certificate in {address}, or give the server another"),
            TlsReason::Certificate => "give the server another certificate".into(),
            TlsReason::Identity => (*identity).into(),
            TlsReason::Protocol => format!("check the port in {address}, and the protocol that the server expects"),
            TlsReason::Version => "let the server speak TLS 1.2 or 1.3 with a current cipher".into(),
            TlsReason::Other => format!("check {address}, and look at the server"),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

fn of_certificate(error: &CertificateError) -> (TlsReason, Cow<'static, str>) {
    let date = |time: &rustls::pki_types::UnixTime| {
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs()))
    };
    match error {
        CertificateError::Expired => (TlsReason::Expired, "its certificate has expired".into()),
        CertificateError::ExpiredContext { not_after, .. } => {
            (TlsReason::Expired, format!("its certificate expired on {}", date(not_after)).into())
        }
        CertificateError::NotValidYet => (TlsReason::NotValidYet, "its certificate is not valid yet".into()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            (TlsReason::NotValidYet, format!("its certificate is not valid before {}", date(not_before)).into())
        }
        // A bad signature is of an authority that only has the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            (TlsReason::UnknownIssuer, "its certificate is signed by no authority that is trusted here".into())
        }
        CertificateError::NotValidForName => (TlsReason::WrongName, "its certificate is for another name".into()),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = shown(presented);
            let words = format!("its certificate is for {names}, not for {}", expected.to_str());
            (TlsReason::WrongName, words.into())
        }
        error => (TlsReason::Certificate, format!("its certificate was not accepted: {error}").into()),
    }
}

fn of_alert(alert: AlertDescription) -> (TlsReason, Cow<'static, str>) {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => (TlsReason::Identity, "it demands a certificate of this client".into()),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => {
            (TlsReason::Identity, format!("it does not accept this client's certificate ({alert:?})").into())
        }
        Alert::NoApplicationProtocol => no_protocol(),
        Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::HandshakeFailure => {
            (TlsReason::Version, format!("it does not go on with what this side offers ({alert:?})").into())
        }
        Alert::UnrecognisedName => (TlsReason::WrongName, "it has no certificate for this name".into()),
        alert => (TlsReason::Other, format!("it ended TLS with the alert {alert:?}").into()),
    }
}

fn no_protocol() -> (TlsReason, Cow<'static, str>) {
    (TlsReason::Protocol, "it speaks no protocol over TLS that this side offers".into())
}

/// The first names, as one printable line.
fn shown(names: &[String]) -> String {
    if names.is_empty() {
        return "no name".into();
    }
    // rustls has them as `DnsName("shop.example")`.
    let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).escape_debug().to_string();
    let first: Vec<_> = names.iter().take(MAX_NAMES).map(bare).collect();
    let more = if names.len() > MAX_NAMES { " and others" } else { "" };
    format!("{}{more}", cut(&first.join(", "), MAX_NAMES_BYTES))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    #[test]
    fn what_is_wrong_with_tls_is_told_with_its_remedy() {
        use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
        let remedies = Remedies { address: "`url`", authority: "name it in SSL_CERT_FILE", identity: "give it one" };
        let date = UnixTime::since_unix_epoch(Duration::from_secs(1_609_459_200));
        let expected = || ServerName::try_from("shop.example").expect("a name");
        let names = |names: &[&str]| names.iter().map(|name| format!("DnsName({name:?})")).collect();
        for (error, reason, words, remedy) in [
            (
                InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                TlsReason::NotTls,
                "it speaks no TLS",
                "write http:// in `url`",
            ),
            (
                InvalidCertificate(CertificateError::ExpiredContext { time: date, not_after: date }),
                TlsReason::Expired,
                "its certificate expired on Fri, 01 Jan 2021 00:00:00 GMT",
                "renew",
            ),
            (
                InvalidCertificate(CertificateError::NotValidYetContext { time: date, not_before: date }),
                TlsReason::NotValidYet,
                "is not valid before Fri, 01 Jan 2021",
                "clock",
            ),
            (
                InvalidCertificate(CertificateError::UnknownIssuer),
                TlsReason::UnknownIssuer,
                "signed by no authority that is trusted here",
                "trust its authority: name it in SSL_CERT_FILE",
            ),
            (
                InvalidCertificate(CertificateError::NotValidForNameContext {
                    expected: expected(),
                    presented: names(&["a.example", "b\u{7}"]),
                }),
                TlsReason::WrongName,
                "is for a.example, b",
                "write a name of the certificate in `url`",
            ),
            (
                InvalidCertificate(CertificateError::NotValidForNameContext {
                    expected: expected(),
                    presented: names(&["a", "b", "c", "d"]),
                }),
                TlsReason::WrongName,
                "is for a, b, c and others, not for shop.example",
                "",
            ),
            (
                InvalidCertificate(CertificateError::NotValidForNameContext {
                    expected: expected(),
                    presented: vec!["x".repeat(10_000)],
                }),
                TlsReason::WrongName,
                "xxx, not for shop.example",
                "",
            ),
            (InvalidCertificate(CertificateError::Revoked), TlsReason::Certificate, "not accepted", "another"),
            (AlertReceived(AlertDescription::CertificateRequired), TlsReason::Identity, "demands", "give it one"),
            (
                AlertReceived(AlertDescription::UnknownCA),
                TlsReason::Identity,
                "not accept this client's",
                "give it one",
            ),
            (
                AlertReceived(AlertDescription::NoApplicationProtocol),
                TlsReason::Protocol,
                "no protocol",
                "port in `url`",
            ),
            (AlertReceived(AlertDescription::ProtocolVersion), TlsReason::Version, "ProtocolVersion", "TLS 1.2 or 1.3"),
            (AlertReceived(AlertDescription::InternalError), TlsReason::Other, "InternalError", "look at the server"),
        ] {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            let fault = TlsFault::find(&error).expect("an error of TLS");
            assert_eq!(fault.reason, reason, "{fault}");
            let told = fault.to_string();
            assert!(told.contains(words) && told.len() < 400 && !told.contains('\u{7}'), "{told}");
            assert!(fault.what_to_do(&remedies).contains(remedy), "{}", fault.what_to_do(&remedies));
        }
        assert!(TlsFault::find(&io::Error::other("no TLS")).is_none());
    }
}
