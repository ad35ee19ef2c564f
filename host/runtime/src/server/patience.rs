//! How long a connection may go on as it is: decides, and knows neither clock nor sockets.

use std::time::Duration;

use super::activity::Seen;
use super::counters::Reason;

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// What a connection is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) version: Version,
    pub(super) header: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) write: Option<Duration>,
}

/// What it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Until this moment, if nothing changes; then it ends for this reason.
    Until(u64, Reason),
    /// It is in use: look again later.
    Busy,
    /// As long as it likes.
    Forever,
}

impl Patience {
    pub(super) fn left(self, seen: Seen) -> Left {
        let until = |since: u64, timeout: Option<Duration>, reason| match timeout {
            Some(timeout) => {
                let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
                Left::Until(since.saturating_add(nanos), reason)
            }
            None => Left::Forever,
        };
        if seen.blocked != 0 && self.write.is_some() {
            return until(seen.blocked, self.write, Reason::WriteTimeout);
        }
        if seen.active > 0 {
            return if self.idle.is_some() || self.header.is_some() { Left::Busy } else { Left::Forever };
        }
        // Bytes of HTTP/2 need not be a head; its streams alone say whether a connection is in use.
        if self.version == Version::One && seen.head != 0 {
            return until(seen.head, self.header, Reason::HeaderTimeout);
        }
        until(seen.ended, self.idle, Reason::Idle)
    }

    /// When to look again at a connection that is in use: its last request may end without its task being woken.
    pub(super) fn look_again(self) -> Duration {
        // The bounds: not so often that looking costs, not so late that it matters.
        const BOUNDS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(60));
        self.idle.or(self.header).unwrap_or(BOUNDS.1).clamp(BOUNDS.0, BOUNDS.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_what_its_state_gives_it() {
        use Version::{One, Two};
        let (header, idle) = (Some(Duration::from_nanos(10)), Some(Duration::from_nanos(100)));
        let write = Some(Duration::from_nanos(1000));
        for (version, header, idle, active, ended, head, expected, reason) in [
            (One, header, idle, 0, 5, 0, Left::Until(105, Reason::Idle), "between two requests"),
            (One, header, idle, 0, 5, 7, Left::Until(17, Reason::HeaderTimeout), "in a head"),
            (One, header, idle, 1, 5, 0, Left::Busy, "a request is under way"),
            (Two, header, idle, 0, 5, 7, Left::Until(105, Reason::Idle), "no stream"),
            (Two, header, idle, 3, 5, 0, Left::Busy, "three streams"),
            (One, None, idle, 0, 5, 7, Left::Forever, "heads may take as long as they like"),
            (Two, header, None, 0, 5, 0, Left::Forever, "it may idle as long as it likes"),
            (Two, None, None, 1, 5, 0, Left::Forever, "nothing to look for"),
        ] {
            let seen = Seen { active, ended, head, blocked: 0 };
            assert_eq!(Patience { version, header, idle, write }.left(seen), expected, "{reason}");
            let blocked = Seen { blocked: 9, ..seen };
            let left = Patience { version, header, idle, write }.left(blocked);
            assert_eq!(left, Left::Until(1009, Reason::WriteTimeout), "{reason}, and the peer takes nothing");
            let left = Patience { version, header, idle, write: None }.left(blocked);
            assert_eq!(left, expected, "{reason}, and the peer may take as long as it likes");
        }
    }
}
