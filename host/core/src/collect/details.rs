//! What few calls have: it stands in a row's arena as the JSON that the call's record shows.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::rpc::{RpcInfo, Tags};

/// The keys are those of the record.
#[derive(Serialize)]
pub(super) struct Details<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    connect_timeout_nanos: u64,
    #[serde(skip_serializing_if = "is_zero")]
    read_write_timeout_nanos: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stream_recv_timeout_nanos: u64,
    #[serde(skip_serializing_if = "is_no_number")]
    sequence_id: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    business_message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    business_extra: Map<'a>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extra: Map<'a>,
}

/// Pairs as an object.
struct Map<'a>(&'a Tags);

impl<'a> Details<'a> {
    /// None if the call has nothing of it, as most.
    #[inline]
    pub(super) fn of(info: &'a RpcInfo) -> Option<Self> {
        let (config, invocation) = (&info.config, &info.invocation);
        let has_timeouts = config.connect_timeout | config.read_write_timeout | config.stream_recv_timeout != 0;
        let is_plain = invocation.sequence_id == 0
            && invocation.business_message.is_none()
            && invocation.business_extra.is_empty()
            && invocation.extra.is_empty();
        (has_timeouts || !is_plain).then(|| Self {
            connect_timeout_nanos: config.connect_timeout,
            read_write_timeout_nanos: config.read_write_timeout,
            stream_recv_timeout_nanos: config.stream_recv_timeout,
            sequence_id: invocation.sequence_id,
            business_message: invocation.business_message(),
            business_extra: Map(&invocation.business_extra),
            extra: Map(&invocation.extra),
        })
    }

    /// Appends it to the arena.
    pub(super) fn write(&self, arena: &mut Vec<u8>) {
        let start = arena.len();
        if serde_json::to_writer(&mut *arena, self).is_err() {
            arena.truncate(start);
        }
    }
}

impl Map<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            map.serialize_entry(key.as_str(), value)?;
        }
        map.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(nanos: &u64) -> bool {
    *nanos == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_no_number(number: &i32) -> bool {
    *number == 0
}
