//! Reads line protocol as InfluxDB does, so that tests can say what a server would see; not part of the tracer.

use std::collections::BTreeMap;

/// A field's value, by its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Text(String),
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) time: i64,
}

impl Point {
    #[track_caller]
    pub(crate) fn integer(&self, field: &str) -> i64 {
        match self.fields.get(field) {
            Some(Value::Integer(value)) => *value,
            other => panic!("{field} is {other:?}"),
        }
    }

    pub(crate) fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }

    /// What makes it a point of its own.
    pub(crate) fn identity(&self) -> (String, BTreeMap<String, String>, i64) {
        (self.measurement.clone(), self.tags.clone(), self.time)
    }
}

/// All points of a payload, which must end with its last line.
#[track_caller]
pub(crate) fn payload(bytes: &[u8]) -> Vec<Point> {
    let text = std::str::from_utf8(bytes).expect("a payload is UTF-8");
    let lines = text.strip_suffix('\n').expect("a payload ends with a line");
    lines.split('\n').map(|line| point(line).unwrap_or_else(|| panic!("this is no point: {line}"))).collect()
}

fn point(line: &str) -> Option<Point> {
    let mut rest = line;
    let measurement = take(&mut rest, &[',', ' '], &[',', ' '])?;
    let mut tags = BTreeMap::new();
    while let Some(after) = rest.strip_prefix(',') {
        rest = after;
        let key = take(&mut rest, &['='], &[',', '=', ' '])?;
        rest = rest.strip_prefix('=')?;
        let value = take(&mut rest, &[',', ' '], &[',', '=', ' '])?;
        (!key.is_empty() && !value.is_empty()).then_some(())?;
        tags.insert(key, value).is_none().then_some(())?;
    }
    rest = rest.strip_prefix(' ')?;
    let mut fields = BTreeMap::new();
    loop {
        let key = take(&mut rest, &['='], &[',', '=', ' '])?;
        rest = rest.strip_prefix('=')?;
        fields.insert(key, value(&mut rest)?).is_none().then_some(())?;
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    let time = rest.strip_prefix(' ')?.parse().ok()?;
    (!measurement.is_empty() && !measurement.starts_with('#')).then_some(Point { measurement, tags, fields, time })
}

/// Takes up to an unescaped end, and undoes escapes of what can be escaped there.
fn take(rest: &mut &str, ends: &[char], escapable: &[char]) -> Option<String> {
    let mut taken = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&(_, next))) if escapable.contains(&next) => {
                taken.push(next);
                chars.next();
            }
            _ if ends.contains(&c) => {
                *rest = rest.get(at..)?;
                return Some(taken);
            }
            _ => taken.push(c),
        }
    }
    None
}

fn value(rest: &mut &str) -> Option<Value> {
    let Some(text) = rest.strip_prefix('"') else {
        let end = rest.find([',', ' '])?;
        let number = rest.get(..end)?.strip_suffix('i')?.parse().ok()?;
        *rest = rest.get(end..)?;
        return Some(Value::Integer(number));
    };
    let mut taken = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = text.get(at + 1..)?;
                return Some(Value::Text(taken));
            }
            '\\' => taken.push(chars.next()?.1),
            c => taken.push(c),
        }
    }
    None
}
