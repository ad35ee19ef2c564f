//! A server that speaks just enough HTTP/2 to answer the first request of a connection with given bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const ACK: u8 = 1;

/// Answers a request's headers with `frames`, and then holds the connection until the client closes it.
pub(crate) async fn answering(frames: Vec<u8>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // The client may break the connection.
            let _ = serve(&mut connection, &frames).await;
        }
    });
    (address, task)
}

async fn serve(connection: &mut TcpStream, frames: &[u8]) -> std::io::Result<()> {
    connection.read_exact(&mut [0; 24]).await?;
    connection.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await?;
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        connection.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => connection.write_all(&[0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]).await?,
            HEADERS => connection.write_all(frames).await?,
            _ => {}
        }
    }
}
