//! Dead letters: the calls on which a tracer failed each time it was handed them alone.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::generation::GenerationId;

/// Dead letters that are kept per plugin; of more, the oldest go.
const MAX_LETTERS: usize = 100;
/// Bytes of calls in them. One call takes some hundred bytes, and at most some hundred thousand.
const MAX_BYTES: usize = 1 << 20;

/// One call that a tracer cannot digest.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    /// Milliseconds since the Unix epoch.
    pub(crate) at: u64,
    pub(crate) generation: GenerationId,
    /// The error of its last try.
    pub(crate) error: String,
    /// Its RpcInfo, as JSON.
    pub(crate) call: String,
}

/// The latest dead letters of one plugin.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
}

impl DeadLetters {
    /// Keeps a letter. Unless `is_shown`, texts of callers (peers, messages, tags) are blotted out first.
    pub(crate) fn put(&mut self, mut letter: DeadLetter, is_shown: bool) {
        if !is_shown {
            letter.call = redacted(&letter.call);
        }
        self.bytes += letter.call.len();
        self.letters.push_back(letter);
        while self.letters.len() > MAX_LETTERS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.letters.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.call.len());
        }
    }

    /// As the admin API shows them, the latest last.
    pub(crate) fn to_json(&self) -> Vec<Value> {
        let letter = |letter: &DeadLetter| {
            json!({
                "at": hottap_core::rpc::Timestamp(letter.at),
                "at_unix_ms": letter.at,
                "generation": letter.generation.to_string(),
                "error": letter.error,
                "call": serde_json::from_str::<Value>(&letter.call).unwrap_or_default(),
            })
        };
        self.letters.iter().map(letter).collect()
    }
}

/// Fields whose texts come from bounded tables or are made by the host. Others are blotted out, also those that a later
/// version adds.
const SHOWN: &[&str] = &[
    "kind",
    "side",
    "method",
    "caller",
    "caller_method",
    "callee",
    "protocol",
    "streaming",
    "transport",
    "codec",
    "interaction",
    "level",
    "outcome",
    "error_type",
    "trace_id",
    "span_id",
    "parent_span_id",
];
/// The same of an event.
const SHOWN_OF_EVENTS: &[&str] = &["kind", "status"];
const BLOT: &str = "[redacted]";

fn redacted(call: &str) -> String {
    let Ok(Value::Object(mut call)) = serde_json::from_str(call) else { return "null".to_owned() };
    for (key, value) in &mut call {
        match value {
            Value::Array(events) if key == "events" => {
                for (key, value) in events.iter_mut().filter_map(Value::as_object_mut).flatten() {
                    blot(value, SHOWN_OF_EVENTS.contains(&key.as_str()));
                }
            }
            value => blot(value, SHOWN.contains(&key.as_str())),
        }
    }
    Value::Object(call).to_string()
}

/// Takes the texts out of a value. Keys stay: they come from bounded tables.
fn blot(value: &mut Value, is_shown: bool) {
    match value {
        Value::String(text) if !is_shown && !text.is_empty() => BLOT.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| blot(value, is_shown)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| blot(value, is_shown)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Grants;
    use hottap_core::collect::sample;
    use hottap_core::rpc::Level;

    fn letter(call: String) -> DeadLetter {
        let generation = GenerationId::of(&[7; 32], b"", &Grants::default());
        DeadLetter { at: 1, generation, error: "trapped".into(), call }
    }

    #[test]
    fn texts_of_callers_are_blotted_out_unless_the_operator_shows_them() {
        let view = sample(1, Level::Detailed).expect("rows");
        let calls: Vec<String> = (0..view.len()).filter_map(|row| view.info(row)).collect();
        for (is_shown, expected) in [(false, 0), (true, calls.len())] {
            let mut letters = DeadLetters::default();
            calls.iter().for_each(|call| letters.put(letter(call.clone()), is_shown));
            let shown = letters.to_json();
            let tells = |letter: &&Value| {
                let text = letter["call"].to_string();
                ["made up", "127.0.0.1", "é"].iter().any(|word| text.contains(word))
            };
            let telling = shown.iter().filter(tells).count();
            assert!(telling == expected || (is_shown && telling > 0), "{telling} of {expected}");
            assert!(shown.iter().all(|letter| letter["call"]["method"].as_str().is_some_and(|method| method != BLOT)));
        }
    }

    #[test]
    fn the_latest_letters_are_kept_within_a_bound() {
        let mut letters = DeadLetters::default();
        (0..250).for_each(|i| letters.put(letter(json!({ "id": i }).to_string()), true));
        let shown = letters.to_json();
        assert_eq!((shown.len(), &shown[0]["call"]["id"], &shown[99]["call"]["id"]), (100, &json!(150), &json!(249)));
        (0..250).for_each(|_| letters.put(letter(format!("\"{}\"", "x".repeat(100_000))), true));
        assert!(letters.to_json().len() <= 10 && letters.bytes <= MAX_BYTES);
    }
}
