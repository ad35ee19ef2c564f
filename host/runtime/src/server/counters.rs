//! What became of connections, counted: before the head of a request has been read there is no call, only these numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::activity::Activity;
use hottap_core::host_metrics::{MetricFamily, MetricKind, MetricSource};

/// The connections of one bound server: how many came, how many are there, and why the others are not.
///
/// `accepted = refused.limit + refused.peer_limit + open + closed.total()`; each is counted on its own, and they agree
/// whenever no connection comes or goes at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Taken from the listener.
    pub accepted: u64,
    /// Times that the listener gave an error instead of a connection, such as too many open files. The server goes on.
    pub accept_errors: u64,
    /// Closed at once, because there were enough.
    pub refused: Refused,
    /// Open now, in a handshake or beyond it.
    pub open: u64,
    /// Closed, by reason.
    pub closed: Closed,
}

/// Connections that were closed as soon as they were accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// All together were as many as [`Server::max_connections`](super::Server::max_connections) says.
    pub limit: u64,
    /// Those of this peer were as many as
    /// [`Server::max_connections_per_peer`](super::Server::max_connections_per_peer) says.
    pub peer_limit: u64,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident $field:ident;)*) => {
        /// Why a connection ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Reason { $($reason,)* }

        const REASONS: usize = [$(Reason::$reason),*].len();

        /// Connections that ended, by reason.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Closed { $($(#[$doc])* pub $field: u64,)* }

        impl Closed {
            /// Each reason's name, as of the field, and its number.
            #[must_use]
            pub fn by_reason(&self) -> [(&'static str, u64); REASONS] {
                [$((stringify!($field), self.$field)),*]
            }

            fn read(counters: &[AtomicU64; REASONS]) -> Self {
                let [$($field),*] = counters;
                Self { $($field: $field.load(Ordering::Relaxed)),* }
            }
        }
    };
}

reasons! {
    /// The peer closed it between two requests, or asked for it to be closed after one.
    Done done;
    /// Nothing happened on it for the idle time-out.
    Idle idle;
    /// The head of a request, or HTTP/2's preface, did not come in time.
    HeaderTimeout header_timeout;
    /// The peer took nothing of what was sent to it for the write time-out.
    WriteTimeout write_timeout;
    /// The TLS handshake failed: garbage, another version, a certificate that is not believed.
    Tls tls;
    /// The TLS handshake did not end in time.
    TlsTimeout tls_timeout;
    /// What came is no HTTP, or breaks its rules.
    Protocol protocol;
    /// The head of a request of HTTP/1.1 was too large; the peer was told (431, 414).
    HeaderTooLarge header_too_large;
    /// The peer broke it off in the middle of something.
    Reset reset;
    /// The peer answered no pings.
    PingTimeout ping_timeout;
    /// A request made another protocol of it; from then on it is the handler's.
    Upgraded upgraded;
    /// The server shut down, and all that was open on it had ended.
    Shutdown shutdown;
    /// The server shut down or was dropped while something was open on it.
    Cut cut;
    /// Something inside the server panicked: report it.
    Failed failed;
}

impl Closed {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

/// Reads the numbers of a server, also after it has ended; cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectionCounters(Arc<Counters>);

impl ConnectionCounters {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }

    /// The numbers now.
    #[must_use]
    pub fn snapshot(&self) -> Connections {
        self.0.snapshot()
    }
}

/// The connections of one server, as the metrics of the host show them.
impl MetricSource for Counters {
    fn families(&self) -> Vec<MetricFamily> {
        let Connections { accepted, accept_errors, refused, open, closed } = self.snapshot();
        let labels = |reason: Option<&str>| {
            let server = ("server", self.server.clone());
            std::iter::once(server).chain(reason.map(|reason| ("reason", reason.to_owned()))).collect()
        };
        let one = |name, kind, help, value: u64| MetricFamily {
            name,
            kind,
            help,
            samples: vec![(labels(None), value as f64)],
        };
        let by = |name, help, counts: &[(&'static str, u64)]| MetricFamily {
            name,
            kind: MetricKind::Counter,
            help,
            samples: counts.iter().map(|(reason, count)| (labels(Some(reason)), *count as f64)).collect(),
        };
        let counter = MetricKind::Counter;
        vec![
            one("hottap_server_connections_accepted_total", counter, "Connections taken from the listener.", accepted),
            one("hottap_server_connections_open", MetricKind::Gauge, "Connections open now.", open),
            one("hottap_server_accept_errors_total", counter, "Errors of the listener.", accept_errors),
            by(
                "hottap_server_connections_refused_total",
                "Connections closed as soon as they were accepted, by the limit that they exceeded.",
                &[("limit", refused.limit), ("peer_limit", refused.peer_limit)],
            ),
            by("hottap_server_connections_closed_total", "Connections that ended, by reason.", &closed.by_reason()),
        ]
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    /// The address that the server listens on, which tells servers apart in the metrics.
    pub(super) server: String,
    pub(super) accepted: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    pub(super) limit: AtomicU64,
    pub(super) peer_limit: AtomicU64,
    pub open: AtomicU64,
    pub closed: [AtomicU64; REASONS],
}

impl Counters {
    fn snapshot(&self) -> Connections {
        let Self { server: _, accepted, accept_errors, limit, peer_limit, open, closed } = self;
        let [accepted, accept_errors, limit, peer_limit, open] =
            [accepted, accept_errors, limit, peer_limit, open].map(|counter| counter.load(Ordering::Relaxed));
        let closed = Closed::read(closed);
        Connections { accepted, accept_errors, refused: Refused { limit, peer_limit }, open, closed }
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cut(&self) -> u64 {
        self.closed.get(Reason::Cut as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// One open connection; counted as closed once, however it ends.
pub(super) struct Open {
    counters: Arc<Counters>,
    activity: Arc<Activity>,
    reason: Option<Reason>,
}

impl Open {
    pub(super) fn new(counters: Arc<Counters>, activity: Arc<Activity>) -> Self {
        Counters::count(&counters.open);
        Self { counters, activity, reason: None }
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(super) fn close(mut self, reason: Reason) {
        self.reason = Some(reason);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let reason = self.reason.unwrap_or_else(|| if std::thread::panicking() { Reason::Failed } else { Reason::Cut });
        if let Some(counter) = self.counters.closed.get(reason as usize) {
            Counters::count(counter);
        }
        self.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}
