//! Sizes and durations as an operator writes them: `"128MiB"`, `"10s"`. Pure.

use std::time::Duration;

use toml::Value;

/// What to write where a size belongs.
pub(super) const SIZE: &str = "write a whole number of bytes, or with a unit, such as \"16MiB\"";
/// What to write where a duration belongs.
pub(super) const DURATION: &str = "write a whole number with a unit, such as \"500ms\", \"10s\" or \"5min\"";

/// Bytes; none if it is no size.
pub(super) fn size(value: &Value) -> Option<usize> {
    let (number, factor) = match value {
        Value::Integer(number) => (u64::try_from(*number).ok()?, 1),
        Value::String(text) => {
            let (number, unit) = split(text)?;
            let factor = match unit {
                "" | "B" => 1,
                "kB" | "KB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            (number, factor)
        }
        _ => return None,
    };
    usize::try_from(number.checked_mul(factor)?).ok()
}

/// A span of time; none if it is no duration. A bare number is none: nobody could say of what.
pub(super) fn duration(value: &Value) -> Option<Duration> {
    let (number, unit) = split(value.as_str()?)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        for (value, expected) in [
            (Value::from(0), Some(0)),
            (Value::from(512), Some(512)),
            (Value::from("512"), Some(512)),
            (Value::from("512B"), Some(512)),
            (Value::from("2kB"), Some(2_000)),
            (Value::from("16MiB"), Some(16 << 20)),
            (Value::from("16 MiB"), Some(16 << 20)),
            (Value::from("1GiB"), Some(1 << 30)),
            (Value::from(-1), None),
            (Value::from(1.5), None),
            (Value::from("MiB"), None),
            (Value::from("1.5MiB"), None),
            (Value::from("-1MiB"), None),
            (Value::from("16 mib"), None),
            (Value::from("99999999999999999999"), None),
            (Value::from("99999999999GiB"), None),
            (Value::from(""), None),
            (Value::from(true), None),
        ] {
            assert_eq!(size(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_duration_always_has_a_unit() {
        for (value, expected) in [
            (Value::from("250ms"), Some(Duration::from_millis(250))),
            (Value::from("10s"), Some(Duration::from_secs(10))),
            (Value::from("10 s"), Some(Duration::from_secs(10))),
            (Value::from("5m"), Some(Duration::from_secs(300))),
            (Value::from("5min"), Some(Duration::from_secs(300))),
            (Value::from("1h"), Some(Duration::from_secs(3_600))),
            (Value::from(10), None),
            (Value::from("10"), None),
            (Value::from("s"), None),
            (Value::from("-5s"), None),
            (Value::from("10 seconds"), None),
            (Value::from("99999999999999999h"), None),
        ] {
            assert_eq!(duration(&value), expected, "{value}");
        }
    }
}
