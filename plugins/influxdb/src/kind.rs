//! Kinds of calls: which of them share a series, as a number to find it by and as the tags that name it.

use std::collections::BTreeMap;
use std::fmt;

use hottap_guest::conventions::{failure, status_text};
use hottap_guest::{Call, Protocol};

use crate::line;

/// Tags that a point has of its own.
pub(crate) const OWN_TAGS: &[&str] = &["error_type", "instance", "method", "service", "side", "status"];

const HTTP: u64 = Protocol::Http.number() as u64;

/// All that tags are made of, packed into one number; texts are looked up only when a series is new.
#[inline]
pub(crate) fn key(side: u64, method: u64, protocol: u64, rpc_status: u64, http_status: u64, error_type: u64) -> u128 {
    let status = if protocol == HTTP { http_status } else { rpc_status };
    let symbols = method | error_type << 32;
    let rest = side | protocol << 8 | status << 16;
    u128::from(symbols) | u128::from(rest) << 64
}

/// The beginning of every line: the measurement, and the tags that are always the same.
pub(crate) struct Tags {
    measurement: Vec<u8>,
    /// By key, because servers sort tags that are not.
    fixed: BTreeMap<String, String>,
}

impl Tags {
    pub(crate) fn new(measurement: &str, service: &str, instance: &str, extra: &BTreeMap<String, String>) -> Self {
        let mut name = Vec::new();
        line::measurement(&mut name, measurement);
        let mut fixed = extra.clone();
        fixed.insert("service".to_owned(), service.to_owned());
        fixed.insert("instance".to_owned(), instance.to_owned());
        Self { measurement: name, fixed }
    }

    /// Measurement and tags of a call's series.
    #[cold]
    #[inline(never)]
    pub(crate) fn of(&self, call: Call<'_>) -> Box<[u8]> {
        let protocol = call.protocol();
        let status = if protocol == Protocol::Http { call.http_status() } else { call.rpc_status() };
        let status = status_text(protocol, status);
        let mut tags: BTreeMap<&str, &str> =
            self.fixed.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        tags.extend([
            ("error_type", failure(call).as_str()),
            ("method", call.method()),
            ("side", call.side().as_str()),
            ("status", &*status),
        ]);
        let mut line = self.measurement.clone();
        for (key, value) in tags {
            line::tag(&mut line, key, value);
        }
        line.into()
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tags")
            .field("measurement", &String::from_utf8_lossy(&self.measurement))
            .field("fixed", &self.fixed)
            .finish()
    }
}
