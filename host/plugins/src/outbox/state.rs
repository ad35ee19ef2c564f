//! What the admin API and the metrics say of a destination; nothing in it is secret.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::account::{DropReason, Refusal};
use hottap_core::rpc::Timestamp;

/// One destination, as the admin API shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DestinationState {
    pub(crate) name: String,
    /// http, https, udp, file or stdout.
    pub(crate) kind: &'static str,
    /// Its URL without query and headers.
    #[serde(rename = "where")]
    pub(crate) place: String,
    /// Bytes of the largest payload that it takes.
    pub(crate) max_payload: usize,
    /// `ok`; `partial` if some of the last payload's items were refused; `waiting` for something of the operator's, such
    /// as a secret; `failing` if the last try failed; `removed`
    /// if it is no longer configured; `stopped` after shutdown.
    pub(crate) state: &'static str,
    /// Payloads that were committed to it: `delivered + queued.payloads + dropped`.
    pub(crate) accepted: u64,
    /// Payloads that the server, the file or the system took.
    pub(crate) delivered: u64,
    /// Items (points, spans, lines) that the server refused in payloads that it took.
    pub(crate) items_refused: u64,
    pub(crate) queued: Queued,
    /// Accepted payloads that were lost, by reason.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
    /// Payloads that were not accepted, by reason.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// The last payload that was not accepted, by reason: whose it was, and what to do.
    pub(crate) refusals: BTreeMap<&'static str, Problem>,
    /// Tries beyond the first of each payload.
    pub(crate) retries: u64,
    pub(crate) last_error: Option<Problem>,
    /// Who may use it.
    pub(crate) tracers: BTreeSet<String>,
}

impl DestinationState {
    /// The reasons for which accepted payloads are lost.
    pub(crate) const DROPPED: [&'static str; 6] = DropReason::WORDS;
    /// The reasons for which payloads are not accepted, in the order of [`Refusal`](super::Refusal).
    pub(crate) const REFUSED: [&'static str; 3] =
        [Refusal::Unknown.as_str(), Refusal::Full.as_str(), Refusal::TooLarge.as_str()];
}

/// What waits for a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Queued {
    pub(crate) payloads: u64,
    /// With what a payload costs beside its contents.
    pub(crate) bytes: usize,
}

/// What went wrong last with a destination.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) at: Timestamp,
    pub(crate) at_unix_ms: u64,
    pub(crate) what_to_do: Cow<'static, str>,
}

impl Problem {
    /// A problem of this moment.
    pub(super) fn at(at: SystemTime, message: String, what_to_do: impl Into<Cow<'static, str>>) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_unix_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { message, at: Timestamp(at_unix_ms), at_unix_ms, what_to_do: what_to_do.into() }
    }
}

/// Something that went wrong, in words for the operator and without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) message: String,
    pub(crate) what_to_do: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, what_to_do: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), what_to_do: what_to_do.into() }
    }
}
