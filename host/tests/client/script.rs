//! A server whose every byte the test says: it accepts, and does with each connection what its script does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hottap::client::{Client, Error};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    /// How many connections there were.
    pub(crate) accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Script {
    /// Runs `play` with each connection and its number, which begins with 0.
    pub(crate) async fn start<P, F>(play: P) -> Self
    where
        P: Fn(Wire, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(play(Wire(stream), number));
            }
        });
        Self { address, accepted, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection.
pub(crate) struct Wire(pub(crate) TcpStream);

/// An HTTP/1.1 response of two bytes.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Wire {
    /// Reads up to the empty line after a request's head. False if the client has gone.
    pub(crate) async fn head(&mut self) -> bool {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte).await {
                Ok(1) => seen.push(byte[0]),
                _ => return false,
            }
        }
        true
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // The client may have gone.
        let _ = self.0.write_all(bytes).await;
    }

    /// Reads whatever comes, until nothing does.
    pub(crate) async fn drain(&mut self) {
        let mut rest = [0; 1024];
        while let Ok(1..) = self.0.read(&mut rest).await {}
    }

    /// Breaks the connection off: not FIN but RST.
    pub(crate) fn reset(self) {
        self.0.set_zero_linger().expect("sets");
    }
}

/// Makes a call of plain HTTP, and reads all of its response.
pub(crate) async fn get(client: &Client, path: &str) -> Result<Response<Bytes>, Error> {
    send(client, Request::get(path).body(Full::default()).expect("a request")).await
}

pub(crate) async fn send(client: &Client, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
    let response = client.clone().oneshot(request).await?;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}
