//! A TCP connection to a host by name: each of its addresses gets its share of the time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Addresses of one name that are tried. With more, each would have too little time.
const MAX_ADDRESSES: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("the host {host} was not found")]
    Unknown {
        host: String,
        #[source]
        source: io::Error,
    },
    /// Nobody took the connection at the last address that was tried.
    #[error("no connection to {address}")]
    Unreachable {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Connects until `deadline`; what is written goes out at once.
pub async fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, ConnectError> {
    let unknown = |source| ConnectError::Unknown { host: host.to_owned(), source };
    let addresses: Vec<_> = match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(found) => found.map_err(unknown)?.take(MAX_ADDRESSES).collect(),
        Err(_) => {
            return Err(unknown(io::Error::new(io::ErrorKind::TimedOut, "the name server did not answer in time")));
        }
    };
    let stream = first(&addresses, deadline, TcpStream::connect).await;
    let stream = stream.unwrap_or_else(|| Err(unknown(io::Error::other("the name has no address"))))?;
    // A message is written whole, so there is nothing to gather.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A duration as people read it: to the millisecond, and not less than one.
pub fn rounded(duration: Duration) -> Duration {
    let millis = (duration.as_secs_f64() * 1e3).round().max(1.0);
    Duration::from_millis(millis as u64)
}

/// The first address that answers, each in its share of the time, in their order; else why the last one did not. None if
/// there are no addresses.
async fn first<T>(
    addresses: &[SocketAddr],
    deadline: Instant,
    dial: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> Option<Result<T, ConnectError>> {
    let mut last = None;
    for (index, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        let silent = |_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {:?}", rounded(share))));
        match timeout_at(Instant::now() + share, dial(address)).await.unwrap_or_else(silent) {
            Ok(stream) => return Some(Ok(stream)),
            Err(source) => last = Some(Err(ConnectError::Unreachable { address, source })),
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn a_duration_is_shown_to_the_millisecond() {
        for (nanos, expected) in
            [(9_998_712_345, "9.999s"), (100_000_000, "100ms"), (1_499_999, "1ms"), (0, "1ms"), (5_000_000_000, "5s")]
        {
            assert_eq!(format!("{:?}", rounded(Duration::from_nanos(nanos))), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answers_leaves_the_others_their_time() {
        let silent: SocketAddr = "192.0.2.1:4317".parse().expect("an address");
        let refusing = "192.0.2.2:4317".parse().expect("an address");
        let good = "192.0.2.3:4317".parse().expect("an address");
        let dial = async |address| match address {
            address if address == good => Ok(address),
            address if address == refusing => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            _ => pending().await,
        };
        let second = Duration::from_secs(1);
        for (addresses, expected, took, reason) in [
            (&[good, silent][..], Ok(good), 0, "the first answers"),
            (&[silent, good], Ok(good), 5_000, "half of the time is the second's"),
            (&[silent, refusing, silent, good], Ok(good), 6_250, "what one leaves is the others'"),
            (&[silent, refusing], Err("192.0.2.2:4317"), 5_000, "the last one is told of"),
            (&[silent], Err("192.0.2.1:4317"), 10_000, "all the time is its own"),
        ] {
            let began = Instant::now();
            let found = first(addresses, began + 10 * second, &dial).await.expect("there are addresses");
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{reason}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{reason}: {error}"),
                (found, expected) => panic!("{reason}: {found:?}, not {expected:?}"),
            }
            // Tokio's clock ticks by the millisecond.
            let late = began.elapsed().as_millis().saturating_sub(took);
            assert!(began.elapsed().as_millis() >= took && late < 10, "{reason}: {:?}", began.elapsed());
        }
        assert!(first(&[], Instant::now(), &dial).await.is_none());
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_told_of() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let error = connect("no-such-host.invalid", 4317, deadline).await.expect_err("nobody has it");
        assert!(matches!(&error, ConnectError::Unknown { host, .. } if host == "no-such-host.invalid"), "{error:?}");
    }
}
