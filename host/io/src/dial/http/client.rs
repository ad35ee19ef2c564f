//! A client of one server.

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, End, read};
use super::connection::{Connection, Protocol};
use super::error::HttpError;
use crate::dial::Handshake;
use crate::dial::connect::connect;

/// The `user-agent` of the host's own clients.
pub const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hottap/", env!("CARGO_PKG_VERSION")));

/// Sends requests to one server, one at a time, and keeps at most one connection.
///
/// Cancel-safe: dropping a future of it closes the connection that it used, and the next request opens another.
pub struct HttpClient {
    host: String,
    port: u16,
    tls: Option<Handshake>,
    protocol: Protocol,
    connection: Option<Connection>,
}

/// The head of a response. It owns the connection until [`HttpClient::read`] has read the rest; dropping it closes the
/// connection.
pub struct Reply {
    head: Parts,
    body: Incoming,
    connection: Connection,
}

impl HttpClient {
    /// A client of the server at this name or address (IPv6 without brackets); in plain text without a handshake. Connects
    /// to nothing yet.
    pub fn new(host: String, port: u16, tls: Option<Handshake>, protocol: Protocol) -> Self {
        Self { host, port, tls, protocol, connection: None }
    }

    /// Sends a request and waits for the head of its response until the deadline. Connecting and the TLS handshake are part
    /// of that time.
    ///
    /// A server may close a kept connection just when a request is sent on it. Then the request is sent once more, on a new
    /// connection.
    pub async fn send(&mut self, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Reply, HttpError> {
        timeout_at(deadline, self.exchange(request, deadline)).await.unwrap_or(Err(HttpError::Late))
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Reply, HttpError> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_ready().await
        {
            match kept.send(request.clone()).await {
                Ok(response) => return Ok(Reply::new(response, kept)),
                Err(error) if error.is_parse() => return Err(error.into()),
                // The server closed it while it was idle; that says nothing about the request.
                Err(_) => {}
            }
        }
        let mut connection = self.connect(deadline).await?;
        let response = connection.send(request).await?;
        Ok(Reply::new(response, connection))
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, HttpError> {
        let stream = connect(&self.host, self.port, deadline).await?;
        Ok(match &self.tls {
            None => Connection::open(self.protocol, stream).await?,
            Some(tls) => {
                let stream = tls.shake(stream).await.map_err(HttpError::Tls)?;
                Connection::open(self.protocol, stream).await?
            }
        })
    }

    /// Reads the rest of a response. The connection is kept only if the response ended within the bounds.
    pub async fn read(&mut self, reply: Reply, until: Instant) -> (Answer, End) {
        let Reply { head, body, connection } = reply;
        let (body, trailers, end) = read(body, until).await;
        if matches!(end, End::Whole) {
            self.connection = Some(connection);
        }
        (Answer { status: head.status, headers: head.headers, body, trailers }, end)
    }
}

impl Reply {
    fn new(response: Response<Incoming>, connection: Connection) -> Self {
        let (head, body) = response.into_parts();
        Self { head, body, connection }
    }

    pub fn head(&self) -> &Parts {
        &self.head
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::answer::MAX_ANSWER;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// The behaviour of one connection of the test server.
    #[derive(Clone, Copy)]
    enum Manner {
        /// Answers each of them so.
        Says(&'static [u8]),
        /// Answers the first, and closes.
        AnswersOnce,
        /// Answers the first, and closes when the second has come.
        LeavesTheSecond,
        /// Answers the first with this and keeps the connection, then leaves requests without an answer.
        Stalls(&'static [u8]),
    }

    /// A server and the count of its connections. Each has the next manner, all further ones the last.
    async fn server(manners: &'static [Manner]) -> (HttpClient, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let index = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, manners[index.min(manners.len() - 1)]));
            }
        });
        (HttpClient::new("127.0.0.1".to_owned(), port, None, Protocol::Http1), connections)
    }

    async fn serve(mut stream: TcpStream, manner: Manner) {
        for request in 0.. {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\nping") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let answer = match (manner, request) {
                (Manner::Says(answer), _) | (Manner::Stalls(answer), 0) => answer,
                (Manner::LeavesTheSecond | Manner::AnswersOnce, 0) => OK,
                (Manner::LeavesTheSecond | Manner::AnswersOnce, _) => return,
                (Manner::Stalls(_), _) => &[],
            };
            if stream.write_all(answer).await.is_err() || matches!(manner, Manner::AnswersOnce) {
                return;
            }
        }
    }

    fn ping() -> Request<Full<Bytes>> {
        let request = Request::post("/").header("host", "test").body(Full::new(Bytes::from_static(b"ping")));
        request.expect("a request")
    }

    async fn send(client: &mut HttpClient, limit: Duration) -> Result<(Answer, End), HttpError> {
        let reply = client.send(ping(), Instant::now() + limit).await?;
        Ok(client.read(reply, Instant::now() + limit).await)
    }

    #[tokio::test]
    async fn requests_go_over_one_connection() {
        let (mut client, connections) = server(&[Manner::Says(OK)]).await;
        for _ in 0..100 {
            let (answer, end) = send(&mut client, PATIENCE).await.expect("an answer");
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"ok"[..]));
            assert!(matches!(end, End::Whole), "{end:?}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_request_on_a_connection_that_closes_is_sent_once_more() {
        let (mut client, connections) = server(&[Manner::LeavesTheSecond, Manner::Says(OK)]).await;
        for _ in 0..3 {
            send(&mut client, PATIENCE).await.expect("an answer");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_server_that_closes_after_each_answer_fails_no_request() {
        let (mut client, connections) = server(&[Manner::AnswersOnce]).await;
        for _ in 0..200 {
            send(&mut client, PATIENCE).await.expect("an answer");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 200);
    }

    #[tokio::test]
    async fn a_new_connection_that_fails_is_not_replaced() {
        let (mut client, connections) = server(&[Manner::Says(b"")]).await;
        let limit = Duration::from_millis(50);
        assert!(matches!(send(&mut client, limit).await, Err(HttpError::Late)));
        let (mut closing, closed) =
            server(&[Manner::Says(b"HTTP/1.1 200 OK\r\n\r\n"), Manner::Says(b"SSH-2.0\r\n")]).await;
        let (_, end) = send(&mut closing, limit).await.expect("a head");
        assert!(matches!(end, End::Late), "{end:?}: its body has no end");
        let error = send(&mut closing, PATIENCE).await.err().expect("no answer");
        assert!(matches!(&error, HttpError::Http(error) if error.is_parse()), "{error:?}");
        assert_eq!(
            (connections.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)),
            (1, 2),
            "neither is tried again"
        );
    }

    #[tokio::test]
    async fn a_connection_is_kept_only_behind_a_whole_answer() {
        static LONG: [u8; MAX_ANSWER + 1] = [b'x'; MAX_ANSWER + 1];
        let long = [&b"HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n"[..], &LONG].concat().leak();
        let manners = [
            Manner::Says(long),
            Manner::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
            Manner::Stalls(OK),
            Manner::Says(OK),
        ];
        let (mut client, connections) = server(manners.to_vec().leak()).await;
        let limit = Duration::from_millis(200);
        let (answer, end) = send(&mut client, PATIENCE).await.expect("an answer");
        assert!(matches!(end, End::TooLong) && answer.body.len() == MAX_ANSWER, "{end:?}: {}", answer.body.len());
        let (answer, end) = send(&mut client, limit).await.expect("an answer");
        assert!(matches!(end, End::Late) && &*answer.body == b"half", "{end:?}");
        send(&mut client, PATIENCE).await.expect("an answer");
        assert!(matches!(send(&mut client, limit).await, Err(HttpError::Late)), "the kept connection says no more");
        send(&mut client, PATIENCE).await.expect("an answer");
        assert_eq!(connections.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_closes_its_connection() {
        let (mut client, connections) = server(&[Manner::Stalls(OK), Manner::Says(OK)]).await;
        send(&mut client, PATIENCE).await.expect("an answer");
        let given_up = client.send(ping(), Instant::now() + PATIENCE);
        assert!(tokio::time::timeout(Duration::from_millis(50), given_up).await.is_err());
        let reply = client.send(ping(), Instant::now() + PATIENCE).await.expect("an answer");
        drop(reply);
        send(&mut client, PATIENCE).await.expect("an answer");
        assert_eq!(connections.load(Ordering::SeqCst), 3, "one for each that was not read to its end");
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn a_handshake_has_the_requests_time() {
        // It takes the connection and says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let roots = Arc::new(rustls::RootCertStore::empty());
        let name = "localhost".try_into().expect("a name");
        let tls = Handshake::new(name, roots, None, &[b"http/1.1"]).expect("a handshake");
        let mut client = HttpClient::new("127.0.0.1".to_owned(), port, Some(tls), Protocol::Http1);
        assert!(matches!(send(&mut client, Duration::from_millis(100)).await, Err(HttpError::Late)));
    }
}
