//! Datagrams: one for each payload. Delivered means that the system took it; nobody says whether it arrived.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::Outcome;
use crate::outbox::parcel::Payload;
use crate::outbox::state::Fault;
use hottap_io::dial::rounded;

/// How long an address is used before the name is looked up again: nobody answers, so nothing else tells that it moved.
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

pub(in crate::outbox) struct Udp {
    host: String,
    port: u16,
    open: Option<(UdpSocket, SocketAddr, Instant)>,
}

impl Udp {
    pub(super) fn new(host: String, port: u16) -> Self {
        Self { host, port, open: None }
    }

    pub(super) async fn deliver(&mut self, payload: &Payload, limit: Duration) -> Outcome {
        match timeout(limit, self.send(payload)).await {
            Ok(Ok(())) => Outcome::Delivered,
            Ok(Err(error)) => {
                self.open = None;
                let where_to = format!("udp://{}:{}", self.host, self.port);
                let message = format!("a datagram to {where_to} cannot be sent: {error}");
                if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) {
                    return Outcome::TooLarge(Fault::new(message, "lower the destination's `max_payload`"));
                }
                Outcome::failed(Fault::new(message, "check host and port in `url`, and this machine's network"))
            }
            Err(_) => {
                self.open = None;
                let message = format!("{} was not found or took no datagram within {:?}", self.host, rounded(limit));
                Outcome::failed(Fault::new(message, "check host and port in `url`, and this machine's name server"))
            }
        }
    }

    async fn send(&mut self, payload: &Payload) -> io::Result<()> {
        let (socket, address) = match &mut self.open {
            Some((socket, address, since)) if since.elapsed() < LOOK_UP_EVERY => (&*socket, *address),
            open => {
                let address = lookup_host((self.host.as_str(), self.port))
                    .await?
                    .next()
                    .ok_or_else(|| io::Error::other("the name has no address"))?;
                let any: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any).await?;
                (&open.insert((socket, address, Instant::now())).0, address)
            }
        };
        // Not a connected socket: on one, an error would speak of an earlier datagram.
        socket.send_to(&payload.bytes, address).await.map(drop)
    }
}
