//! HTTP/1.1: a POST for each payload, on one connection that is kept as long as the server keeps it.
//!
//! Redirects are not followed, proxies not asked, cookies not kept; an answer is read no further than its first 64 KiB.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

#[cfg(feature = "https")]
use super::tls::Tls;
use super::{Outcome, Trust};
use crate::config::{Header, HttpPlace};
use crate::outbox::answer::Redaction;
use crate::outbox::parcel::Payload;
use crate::outbox::partial::{Partial, partial};
use crate::outbox::secrets;
use crate::outbox::state::Fault;
use crate::outbox::verdict::{Verdict, judge, what_to_do};
use hottap_io::dial::{ConnectError, connect, rounded};

/// Bytes of an answer's body that are read: one that names each refused line is long. A connection whose answer is longer
/// is closed.
const MAX_ANSWER: usize = 64 << 10;
/// Bytes of an answer's body that words for the operator are made of.
const MAX_WORDS: usize = 4 << 10;
/// Bytes of an answer's head, and of what hyper gathers.
const MAX_HEAD: usize = 16 << 10;
/// Header lines of an answer.
const MAX_HEADERS: usize = 64;
/// For the rest of an answer that said already that the payload is taken: it only decides whether the connection stays.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(in crate::outbox) struct Http {
    place: HttpPlace,
    headers: Arc<[Header]>,
    /// The operator's headers, with what we add to them.
    values: HeaderMap,
    redaction: Redaction,
    #[cfg(feature = "https")]
    tls: Option<Tls>,
    connection: Option<Connection>,
}

/// An open connection; dropping it closes it, whatever is under way.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http {
    pub(super) async fn open(place: &HttpPlace, headers: &[Header], trust: &Trust) -> Result<Self, Fault> {
        let headers: Arc<[Header]> = headers.into();
        #[cfg(feature = "https")]
        let tls = if place.tls {
            let (host, trust) = (place.host.clone(), trust.clone());
            Some(blocking(move || Tls::new(&host, &trust)).await?)
        } else {
            None
        };
        #[cfg(not(feature = "https"))]
        let _ = trust;
        let mut http = Self {
            place: place.clone(),
            headers,
            values: HeaderMap::new(),
            redaction: Redaction::default(),
            #[cfg(feature = "https")]
            tls,
            connection: None,
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
        let agent = HeaderValue::from_static(concat!("hottap/", env!("CARGO_PKG_VERSION")));
        values.entry(USER_AGENT).or_insert(agent);
        let renewed = values != self.values;
        self.values = values;
        Ok(renewed)
    }

    pub(super) async fn deliver(&mut self, payload: &Payload, limit: Duration) -> Outcome {
        let deadline = Instant::now() + limit;
        let response = match timeout_at(deadline, self.exchange(payload, deadline)).await {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => {
                self.connection = None;
                return Outcome::failed(fault);
            }
            Err(_) => {
                self.connection = None;
                let message =
                    format!("{}:{} did not answer within {:?}", self.place.host, self.place.port, rounded(limit));
                return Outcome::failed(Fault::new(message, "look at the server, or give it more `timeout`"));
            }
        };
        let (head, body) = response.into_parts();
        let wish = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let verdict = judge(head.status, wish, SystemTime::now());
        let read_until = match verdict {
            Verdict::Delivered => deadline.min(Instant::now() + LAST_WORDS),
            _ => deadline,
        };
        let body = self.read(body, read_until).await;
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if let Some(Partial { refused, words }) = partial(head.status, media_type, &body) {
            // No payload has more items than bytes, whatever is said.
            let refused = refused.min(payload.bytes.len() as u64);
            let words = self.words(words.as_bytes());
            let message =
                format!("it took a payload but for {refused} of its items: it answered {}{words}", head.status);
            return Outcome::DeliveredInPart { refused, fault: Fault::new(message, Partial::WHAT_TO_DO) };
        }
        let fault = || {
            let words = self.words(&body);
            Fault::new(format!("it answered {}{words}", head.status), what_to_do(head.status))
        };
        match verdict {
            Verdict::Delivered => Outcome::Delivered,
            Verdict::Retry(after) => Outcome::Failed { fault: fault(), after },
            Verdict::Denied => Outcome::Denied(fault()),
            Verdict::TooLarge => Outcome::TooLarge(fault()),
            Verdict::Rejected => Outcome::Rejected(fault()),
        }
    }

    async fn exchange(&mut self, payload: &Payload, deadline: Instant) -> Result<Response<Incoming>, Fault> {
        if let Some(mut kept) = self.connection.take()
            && kept.requests.ready().await.is_ok()
        {
            match kept.requests.send_request(self.request(payload)).await {
                Ok(response) => {
                    self.connection = Some(kept);
                    return Ok(response);
                }
                Err(error) if error.is_parse() => return Err(self.broken(&error)),
                // The server closed it while nothing was asked of it; that says nothing about the payload.
                Err(_) => {}
            }
        }
        let mut connection = self.connect(deadline).await?;
        let response = connection.requests.send_request(self.request(payload)).await;
        let response = response.map_err(|error| self.broken(&error))?;
        self.connection = Some(connection);
        Ok(response)
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, Fault> {
        let stream = connect(&self.place.host, self.place.port, deadline).await.map_err(unconnected)?;
        #[cfg(feature = "https")]
        if let Some(tls) = &self.tls {
            return self.handshake(tls.handshake(stream).await?).await;
        }
        self.handshake(stream).await
    }

    async fn handshake<T>(&self, stream: T) -> Result<Connection, Fault>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (requests, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        // What goes wrong on it is told to whoever waits for an answer.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection { requests, driver: driver.abort_handle() })
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

    /// The beginning of an answer. The connection is kept only if the answer ended within the bounds.
    async fn read(&mut self, mut body: Incoming, until: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ended = timeout_at(until, async {
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                let Ok(data) = frame.into_data() else { continue };
                // A long answer may come as one piece, and its beginning says what is wrong.
                let room = MAX_ANSWER.saturating_sub(bytes.len());
                bytes.extend(data.iter().take(room));
                if data.len() > room {
                    return false;
                }
            }
            true
        })
        .await;
        if ended != Ok(true) {
            self.connection = None;
        }
        bytes
    }

    fn broken(&self, error: &hyper::Error) -> Fault {
        #[cfg(feature = "https")]
        if let Some(tls) = &self.tls
            && let Some(fault) = tls.fault(error)
        {
            return fault;
        }
        let mut reasons = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reasons.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let what_to_do = if error.is_parse() {
            "check `url`: what listens there does not speak HTTP/1.1; a port that speaks TLS needs https://"
        } else {
            "look at the server: it closed the connection before it answered"
        };
        Fault::new(format!("no answer from {}:{}: {reasons}", self.place.host, self.place.port), what_to_do)
    }
}

fn unconnected(error: ConnectError) -> Fault {
    let (reason, what_to_do) = match &error {
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
