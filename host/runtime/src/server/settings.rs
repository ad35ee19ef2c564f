//! How long a server waits and how much it takes at once; plain values, each with its reason.

use std::time::Duration;

/// The longest time-out: beyond it a sum of a moment and a time-out could overflow, and nobody waits for it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A client shakes hands in a few round trips. A slow one over satellite and a busy processor need some seconds; each
/// pending handshake holds a connection and some 50 KiB.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// A head is one packet or a few. Longer lets a client that sends a byte at a time hold a connection for longer; shorter
/// loses clients on bad networks.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of an upload: longer than a phone is without network in a tunnel, short enough that handlers that
/// wait for a vanished client end.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// As long as nginx's: a peer that takes nothing of a response for so long is stuck or means harm, and its handler waits.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the 60 s for which the usual load balancers keep a connection for the next request: whoever is behind
/// must not close first, or the request that is on its way gets lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Finds peers that vanished under open streams within 80 s, together with the next one.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// As long as orchestrators wait between their signal and the kill.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// An idle connection costs some 10 KiB, one that uploads as fast as it can up to a megabyte.
const MAX_CONNECTIONS: usize = 10_000;
/// A request in flight costs some 5 KiB and what its handler holds. Enough for ten thousand streams and as many again;
/// few enough that a flood of them leaves a machine of 1 GiB alive.
const MAX_REQUESTS: usize = 50_000;
/// What hyper, nginx (128) and Envoy (100 and more) have: clients open a second connection long before.
const MAX_STREAMS: u32 = 200;
/// Cookies and tokens fit many times; a flood of heads in ten thousand connections stays at 160 MiB.
const HEADER_BYTES: u32 = 16 << 10;
/// Streams that a client reset before they were looked at: h2's own bound, against "rapid reset" (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams that the server reset because the client broke rules: h2's own bound (RUSTSEC-2024-0003).
const MAX_LOCAL_RESETS: usize = 1024;

/// All that a server was told.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) tls_timeout: Option<Duration>,
    pub(super) header_timeout: Option<Duration>,
    pub(super) body_timeout: Option<Duration>,
    pub(super) stream_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) ping_interval: Option<Duration>,
    pub(super) ping_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) max_connections_per_peer: Option<usize>,
    pub(super) max_requests: usize,
    pub(super) max_streams: u32,
    pub(super) header_bytes: u32,
    pub(super) max_pending_resets: usize,
    pub(super) max_local_resets: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tls_timeout: Some(TLS_TIMEOUT),
            header_timeout: Some(HEADER_TIMEOUT),
            body_timeout: Some(BODY_TIMEOUT),
            stream_timeout: None,
            write_timeout: Some(WRITE_TIMEOUT),
            idle_timeout: Some(IDLE_TIMEOUT),
            ping_interval: Some(PING_INTERVAL),
            ping_timeout: PING_TIMEOUT,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            max_connections: MAX_CONNECTIONS,
            max_connections_per_peer: None,
            max_requests: MAX_REQUESTS,
            max_streams: MAX_STREAMS,
            header_bytes: HEADER_BYTES,
            max_pending_resets: MAX_PENDING_RESETS,
            max_local_resets: MAX_LOCAL_RESETS,
        }
    }
}

/// A time-out that sums of moments can bear.
pub(super) fn bounded(timeout: Duration) -> Duration {
    timeout.min(LONGEST)
}
