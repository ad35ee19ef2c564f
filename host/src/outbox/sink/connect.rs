//! A TCP connection to a host by name: each of its addresses gets its share of the time.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::outbox::state::Fault;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Connects until `deadline`.
pub(super) async fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Fault> {
    let unknown = |reason: String| {
        Fault::new(format!("the host {host} was not found: {reason}"), "check the host in `url`, and the name server")
    };
    let addresses: Vec<_> = match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.take(MAX_ADDRESSES).collect(),
        Ok(Err(error)) => return Err(unknown(error.to_string())),
        Err(_) => return Err(unknown("the name server did not answer in time".into())),
    };
    let mut last = unknown("the name has no address".into());
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        let result = match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(share)),
        };
        match result {
            Ok(stream) => {
                // A payload is written whole, so there is nothing to gather.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                let message = format!("no connection to {address}: {error}");
                last = Fault::new(message, "start the server, or correct host and port in `url`");
            }
        }
    }
    Err(last)
}

fn no_answer(share: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {share:?}"))
}
