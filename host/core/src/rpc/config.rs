//! A call's settings: how long it may take, what carries it, how its messages are encoded.

use std::time::Duration;

use super::{Codec, Interaction, Transport};

/// A call's settings (Kitex's RPCConfig).
#[derive(Clone, Debug, Default)]
pub struct RpcConfig {
    /// Nanoseconds here and below; 0 is none.
    #[doc(hidden)]
    pub deadline: u64,
    #[doc(hidden)]
    pub connect_timeout: u64,
    #[doc(hidden)]
    pub read_write_timeout: u64,
    #[doc(hidden)]
    pub stream_recv_timeout: u64,
    #[doc(hidden)]
    pub transport: Transport,
    #[doc(hidden)]
    pub codec: Codec,
    #[doc(hidden)]
    pub interaction: Interaction,
}

impl RpcConfig {
    /// The deadline that the call has, from its start (Kitex's RPCTimeout); none if it has none.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        time(self.deadline)
    }

    /// How long connecting may take, if whoever connects has said so.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        time(self.connect_timeout)
    }

    /// How long one read or write may take, if whoever reads and writes has said so.
    #[must_use]
    pub fn read_write_timeout(&self) -> Option<Duration> {
        time(self.read_write_timeout)
    }

    /// How long a stream may wait for its next message, if whoever waits has said so.
    #[must_use]
    pub fn stream_recv_timeout(&self) -> Option<Duration> {
        time(self.stream_recv_timeout)
    }

    /// What carries the call. A client's layer knows it when there is a response.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// How its messages are encoded.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// How the two sides take turns. Layers know of a stream once the call has finished.
    #[must_use]
    pub fn interaction(&self) -> Interaction {
        self.interaction
    }
}

fn time(nanos: u64) -> Option<Duration> {
    (nanos != 0).then(|| Duration::from_nanos(nanos))
}

/// Nanoseconds as they are kept: at least one, so that no time is not taken for none.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}
