//! How much a span may hold, by the variables `OTEL_SPAN_*_LIMIT`; what is counted the SDK keeps, what is long is cut here.

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanLimits};

use super::variables::Variables;

/// Attributes, events and links of a span by the specification.
const COUNT: u32 = 128;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) counts: SpanLimits,
    /// Characters of an attribute's value; none is as many as there are.
    pub(super) length: Option<u32>,
}

impl Limits {
    /// A limit of spans goes before the one of all attributes.
    pub(super) fn read(variables: &Variables<'_>) -> Self {
        let attributes = variables.limit("OTEL_ATTRIBUTE_COUNT_LIMIT");
        let length = variables.limit("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT");
        let count = |name: &str, general: Option<u32>| variables.limit(name).or(general).unwrap_or(COUNT);
        let counts = SpanLimits {
            max_attributes_per_span: count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", attributes),
            max_events_per_span: count("OTEL_SPAN_EVENT_COUNT_LIMIT", None),
            max_links_per_span: count("OTEL_SPAN_LINK_COUNT_LIMIT", None),
            max_attributes_per_event: count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", attributes),
            max_attributes_per_link: count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", attributes),
        };
        Self { counts, length: variables.limit("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT").or(length) }
    }

    /// Cuts what is too long in a span, its events and its links. Done when it is sent, so that no RPC waits for it.
    pub(super) fn cut(self, span: &mut SpanData) {
        let Some(most) = self.length.map(|most| most as usize) else { return };
        cut_all(&mut span.attributes, most);
        for event in &mut span.events.events {
            cut_all(&mut event.attributes, most);
        }
        for link in &mut span.links.links {
            cut_all(&mut link.attributes, most);
        }
    }
}

fn cut_all(attributes: &mut [KeyValue], most: usize) {
    for attribute in attributes {
        match &mut attribute.value {
            Value::String(text) => cut(text, most),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(|text| cut(text, most)),
            _ => {}
        }
    }
}

/// Whatever its bytes are, a character counts as one.
fn cut(text: &mut StringValue, most: usize) {
    if let Some((at, _)) = text.as_str().char_indices().nth(most)
        && let Some(kept) = text.as_str().get(..at)
    {
        *text = kept.to_owned().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &[(&str, &str)]) -> Limits {
        let find = |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Limits::read(&Variables::new(&find))
    }

    #[test]
    fn a_limit_of_spans_goes_before_the_one_of_all() {
        const ALL: (&str, &str) = ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7");
        for (table, expected, reason) in [
            (&[][..], [128, 128, 128, 128, 128], "the defaults"),
            (&[ALL], [7, 128, 128, 7, 7], "of all attributes"),
            (&[ALL, ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")], [0, 128, 128, 7, 7], "none in a span"),
            (
                &[("OTEL_SPAN_EVENT_COUNT_LIMIT", "3"), ("OTEL_SPAN_LINK_COUNT_LIMIT", "4")],
                [128, 3, 4, 128, 128],
                "others",
            ),
            (
                &[("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "5"), ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "6"), ALL],
                [7, 128, 128, 5, 6],
                "inside of them",
            ),
        ] {
            let counts = read(table).counts;
            let counts = [
                counts.max_attributes_per_span,
                counts.max_events_per_span,
                counts.max_links_per_span,
                counts.max_attributes_per_event,
                counts.max_attributes_per_link,
            ];
            assert_eq!(counts, expected, "{reason}");
        }
        let (all, own) = ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT");
        for (table, expected) in
            [(&[][..], None), (&[(all, "9")], Some(9)), (&[(all, "9"), (own, "2")], Some(2)), (&[(own, "0")], Some(0))]
        {
            assert_eq!(read(table).length, expected, "{table:?}");
        }
    }

    #[test]
    fn a_value_is_cut_by_its_characters() {
        let list = |texts: &[&str]| {
            Value::Array(Array::String(texts.iter().map(|text| StringValue::from((*text).to_owned())).collect()))
        };
        for (value, expected, reason) in [
            (Value::from("abc"), Value::from("abc"), "as long as it may be"),
            (Value::from("abcd"), Value::from("abc"), "longer"),
            (Value::from("äöüß"), Value::from("äöü"), "whatever bytes they have"),
            (Value::from(""), Value::from(""), "nothing"),
            (list(&["abcd", "a"]), list(&["abc", "a"]), "each text of a list"),
            (Value::from(12_345), Value::from(12_345), "a number has no length"),
        ] {
            let mut attributes = [KeyValue::new("key", value)];
            cut_all(&mut attributes, 3);
            assert_eq!(attributes[0].value, expected, "{reason}");
        }
    }
}
