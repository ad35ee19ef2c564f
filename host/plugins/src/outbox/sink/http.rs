//! HTTP/1.1: a POST for each payload, on one connection that is kept as long as the server keeps it.
//!
//! The client is `dial`'s; here is what is posted, what an answer means, and what the operator is told.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use tokio::time::Instant;

use super::{Outcome, Trust};
use crate::config::{Header, HttpPlace};
use crate::outbox::answer::Redaction;
use crate::outbox::parcel::Payload;
use crate::outbox::partial::{Partial, partial};
use crate::outbox::secrets;
use crate::outbox::state::Fault;
use crate::outbox::verdict::{Verdict, judge, what_to_do};
use hottap_io::dial;
use hottap_io::dial::{Chain, ConnectError, HttpClient, HttpError, Protocol, Remedies, rounded};

/// Bytes of an answer's body that words for the operator are made of.
const MAX_WORDS: usize = 4 << 10;
/// For the rest of an answer that said already that the payload is taken: it only decides whether the connection stays.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(in crate::outbox) struct Http {
    place: HttpPlace,
    headers: Arc<[Header]>,
    /// The operator's headers, with what we add to them.
    values: HeaderMap,
    redaction: Redaction,
    client: HttpClient,
}

impl Http {
    pub(super) async fn open(place: &HttpPlace, headers: &[Header], trust: &Trust) -> Result<Self, Fault> {
        let headers: Arc<[Header]> = headers.into();
        #[cfg(feature = "https")]
        let tls = if place.tls {
            let (host, trust) = (place.host.clone(), trust.clone());
            Some(blocking(move || super::tls::handshake(&host, &trust)).await?)
        } else {
            None
        };
        // The configuration takes no https:// URL then.
        #[cfg(not(feature = "https"))]
        let (tls, Trust::Platform) = (None, trust);
        let mut http = Self {
            place: place.clone(),
            headers,
            values: HeaderMap::new(),
            redaction: Redaction::default(),
            client: HttpClient::new(place.host.clone(), place.port, tls, Protocol::Http1),
        };
        http.renew().await?;
        Ok(http)
    }

    /// Reads the headers' values anew; true if they are others now.
    pub(super) async fn renew(&mut self) -> Result<bool, Fault> {
        if !self.values.is_empty() && !secrets::may_change(&self.headers) {
            return Ok(false);
        }
        let headers = self.headers.clone();
        let mut values = blocking(move || secrets::read(&headers)).await?;
        self.redaction = Redaction::new(&values, &[HOST, CONTENT_TYPE, USER_AGENT], self.place.target.query());
        values.entry(HOST).or_insert_with(|| self.place.authority.clone());
        values.entry(USER_AGENT).or_insert(dial::USER_AGENT);
        let renewed = values != self.values;
        self.values = values;
        Ok(renewed)
    }

    pub(super) async fn deliver(&mut self, payload: &Payload, limit: Duration) -> Outcome {
        let deadline = Instant::now() + limit;
        let reply = match self.client.send(self.request(payload), deadline).await {
            Ok(reply) => reply,
            Err(error) => return Outcome::failed(self.fault(&error, limit)),
        };
        let head = reply.head();
        let wish = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let verdict = judge(head.status, wish, SystemTime::now());
        let read_until = match verdict {
            Verdict::Delivered => deadline.min(Instant::now() + LAST_WORDS),
            _ => deadline,
        };
        // What was read before the connection broke still says what is wrong.
        let (answer, _) = self.client.read(reply, read_until).await;
        let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if let Some(Partial { refused, words }) = partial(answer.status, media_type, &answer.body) {
            // No payload has more items than bytes, whatever is said.
            let refused = refused.min(payload.bytes.len() as u64);
            let words = self.words(words.as_bytes());
            let message =
                format!("it took a payload but for {refused} of its items: it answered {}{words}", answer.status);
            return Outcome::DeliveredInPart { refused, fault: Fault::new(message, Partial::WHAT_TO_DO) };
        }
        let fault = || {
            let words = self.words(&answer.body);
            Fault::new(format!("it answered {}{words}", answer.status), what_to_do(answer.status))
        };
        match verdict {
            Verdict::Delivered => Outcome::Delivered,
            Verdict::Retry(after) => Outcome::Failed { fault: fault(), after },
            Verdict::Denied => Outcome::Denied(fault()),
            Verdict::TooLarge => Outcome::TooLarge(fault()),
            Verdict::Rejected => Outcome::Rejected(fault()),
        }
    }

    fn request(&self, payload: &Payload) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(payload.bytes.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.place.target.clone());
        *request.headers_mut() = self.values.clone();
        if let Some(content_type) = &payload.content_type {
            request.headers_mut().entry(CONTENT_TYPE).or_insert_with(|| content_type.clone());
        }
        request
    }

    /// An answer's first words, behind a colon; "" if there are none.
    fn words(&self, body: &[u8]) -> String {
        let words = self.redaction.words(body.get(..MAX_WORDS).unwrap_or(body));
        if words.is_empty() { words } else { format!(": {words}") }
    }

    /// A failure in the operator's words; `limit` is the time that the try had.
    fn fault(&self, error: &HttpError, limit: Duration) -> Fault {
        let HttpPlace { host, port, .. } = &self.place;
        if let Some(fault) = error.tls_fault() {
            return Fault::new(format!("no TLS with {host}: {fault}"), fault.what_to_do(&REMEDIES));
        }
        let (message, what_to_do) = match error {
            HttpError::Connect(error) => return unconnected(error),
            HttpError::Late => (
                format!("{host}:{port} did not answer within {:?}", rounded(limit)),
                "look at the server, or give it more `timeout`",
            ),
            HttpError::Tls(error) => (
                format!("no TLS with {host}: {error}"),
                "look at the server, and check that the port in `url` is one on which it speaks TLS",
            ),
            HttpError::Http(error) => (
                format!("no answer from {host}:{port}: {}", Chain(error)),
                match error.is_parse() {
                    true => {
                        "check `url`: what listens there does not speak HTTP/1.1; a port that speaks TLS needs https://"
                    }
                    false => "look at the server: it closed the connection before it answered",
                },
            ),
        };
        Fault::new(message, what_to_do)
    }
}

const REMEDIES: Remedies = Remedies {
    address: "`url`",
    authority: "install it with those of this system, or name a file of PEM in SSL_CERT_FILE",
    identity: "let the server take clients without certificates of their own: destinations have none",
};

fn unconnected(error: &ConnectError) -> Fault {
    let (reason, what_to_do) = match error {
        ConnectError::Unknown { source, .. } => (source, "check the host in `url`, and the name server"),
        ConnectError::Unreachable { source, .. } => (source, "start the server, or correct host and port in `url`"),
    };
    Fault::new(format!("{error}: {reason}"), what_to_do)
}

/// Reads files where that may take its time.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result,
        Err(error) => Err(Fault::new(format!("files cannot be read: {error}"), "restart the service, and report this")),
    }
}
