//! A client that sends the bytes that the test says, and reads what comes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::PATIENCE;

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

pub(crate) struct Raw(Box<dyn Socket>);

impl Raw {
    pub(crate) fn new(socket: impl Socket + 'static) -> Self {
        Self(Box::new(socket))
    }

    pub(crate) async fn tcp(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("connects");
        socket.set_nodelay(true).expect("set");
        Self::new(socket)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("the server takes it");
        self.0.flush().await.expect("the server takes it");
    }

    /// False if the server does not take it any more.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok() && self.0.flush().await.is_ok()
    }

    /// No more will be sent.
    pub(crate) async fn finish(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// All that comes until the server closes. A reset is an end like another.
    pub(crate) async fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_of_bytes().await).into_owned()
    }

    pub(crate) async fn rest_of_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server closes");
        bytes
    }

    /// Reads up to and including this.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            match tokio::time::timeout(PATIENCE, self.0.read_u8()).await.expect("the server answers") {
                Ok(byte) => bytes.push(byte),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// So many bytes; none if the server closes before.
    pub(crate) async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        let read = self.0.read_exact(&mut bytes);
        tokio::time::timeout(PATIENCE, read).await.expect("the server answers").ok()?;
        Some(bytes)
    }

    /// Nothing comes for so long.
    pub(crate) async fn assert_silent(&mut self, patience: Duration) {
        let came = tokio::time::timeout(patience, self.0.read_u8()).await;
        assert!(came.is_err(), "{came:?}");
    }
}
