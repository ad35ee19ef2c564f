//! The manifest's `[config]`, checked: whatever passes here can be written as line protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use hottap_guest::{Config, Error};
use serde::Deserialize;

use crate::kind::{OWN_TAGS, Tags};
use crate::{line, points, series};

/// Bytes of all extra tags together. They stand in each point, and a series' name may have 64 KiB in InfluxDB.
const MAX_TAGS: usize = 4096;
/// Bytes of a measurement's name; a longer one is a mistake.
const MAX_MEASUREMENT: usize = 256;
/// Bounds of buckets. Each is a field of each point.
const MAX_BOUNDS: usize = 64;
/// Bounds unless others are given, in milliseconds: 1, 2.5, 5 and so on from a tenth to ten thousand.
const BOUNDS_MS: [f64; 16] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0];
/// The name of a point's time: InfluxDB 1 refuses a tag of this name, InfluxDB 2 loses it.
const TIME: &str = "time";

/// What an operator can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) destination: String,
    measurement: String,
    pub(crate) points: bool,
    pub(crate) texts: bool,
    bounds_ms: Vec<f64>,
    interval_ms: Option<u32>,
    tags: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            destination: "influx".to_owned(),
            measurement: "rpc".to_owned(),
            points: false,
            texts: false,
            bounds_ms: BOUNDS_MS.to_vec(),
            interval_ms: None,
            tags: BTreeMap::new(),
        }
    }
}

impl Settings {
    pub(crate) fn parse(config: &Config) -> Result<Self, Error> {
        let settings: Self = config.parse()?;
        settings.check().map_err(|reason| Error::new(format_args!("the manifest's [config]: {reason}")))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if self.measurement.is_empty() || self.measurement.len() > MAX_MEASUREMENT {
            return Err(format!("`measurement` must have 1 to {MAX_MEASUREMENT} bytes"));
        }
        if self.measurement.starts_with('#') {
            return Err("`measurement` must not begin with `#`: the line would be a comment".to_owned());
        }
        check_name("measurement", &self.measurement)?;
        if self.texts && !self.points {
            return Err("`texts` needs `points = true`: an interval has no text of its own".to_owned());
        }
        let mut written = BTreeMap::new();
        for (key, value) in &self.tags {
            check_tag(key, value)?;
            let mut as_written = Vec::new();
            line::tag_key(&mut as_written, key);
            if let Some(other) = written.insert(as_written, key) {
                return Err(format!(
                    "`tags.{key}` and `tags.{other}` are one name as line protocol writes them; drop one"
                ));
            }
        }
        if self.tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_TAGS {
            return Err(format!("`tags` have more than {MAX_TAGS} bytes, and would stand in each point"));
        }
        let rising = self.bounds_ms.is_sorted_by(|a, b| a < b);
        let sound = self.bounds_ms.iter().all(|bound| (0.000_001..=1e12).contains(bound));
        if self.bounds_ms.len() > MAX_BOUNDS || !rising || !sound {
            return Err(format!(
                "`bounds_ms` must be rising numbers of milliseconds, above 0 and at most {MAX_BOUNDS} of them"
            ));
        }
        Ok(())
    }

    /// The flush period, if it shall be another than the host's default.
    pub(crate) fn period(&self) -> Option<Duration> {
        self.interval_ms.map(|milliseconds| Duration::from_millis(milliseconds.into()))
    }

    /// The upper bounds of buckets in nanoseconds.
    pub(crate) fn bounds(&self) -> Vec<u64> {
        let mut bounds: Vec<u64> = self.bounds_ms.iter().map(|ms| (ms * 1e6).round() as u64).collect();
        bounds.dedup();
        bounds
    }

    /// The tags of every point.
    pub(crate) fn tags(&self, config: &Config) -> Tags {
        Tags::new(&self.measurement, config.service_name(), config.instance_id(), &self.tags)
    }
}

/// Refuses what InfluxDB keeps for itself, and what line protocol cannot say.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!("`{what}` is blank; give it a name"));
    }
    if name.starts_with('_') {
        return Err(format!("`{what}` must not begin with `_`: InfluxDB keeps such names for itself"));
    }
    if name.contains(char::is_control) {
        return Err(format!("`{}` has a line break or another control character in it", what.escape_debug()));
    }
    Ok(())
}

/// Refuses a tag that no point could have, or that no query could tell from another part of the point.
///
/// The fields of all modes count, whichever is set: one measurement may have points of several.
fn check_tag(key: &str, value: &str) -> Result<(), String> {
    if key.trim().is_empty() {
        return Err("a tag under `tags` has no name".to_owned());
    }
    check_name(&format!("tags.{key}"), key)?;
    if OWN_TAGS.contains(&key) || key == TIME {
        return Err(format!("`tags.{key}` is a name that every point has already; choose another"));
    }
    if series::FIELDS.contains(&key) || points::FIELDS.contains(&key) || series::is_bucket(key) {
        return Err(format!("`tags.{key}` is the name of a field, and no query could tell them apart; choose another"));
    }
    if value.contains(char::is_control) {
        return Err(format!("the value of `tags.{key}` has a line break or another control character in it"));
    }
    Ok(())
}
