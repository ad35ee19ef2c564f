//! Spans as a collector understood them, drawn as trees: whoever made them, and whoever took them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A span, with what every collector tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// `client` or `server`; none if the collector does not keep it.
    pub(crate) side: Option<&'static str>,
    pub(crate) is_error: bool,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// In nanoseconds since 1970; collectors may keep microseconds of them.
    pub(crate) started: u64,
    pub(crate) ended: u64,
}

impl Span {
    /// An attribute that is a text; empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.attributes.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// `client shop.v1.Pricing/Quote OK, 2 attempts`.
    fn title(&self) -> String {
        let side = self.side.map(|side| format!("{side} ")).unwrap_or_default();
        let mut title = format!("{side}{} {}", self.text("rpc.method"), self.text("rpc.response.status_code"));
        if let Some(number) = self.attributes.get("hottap.attempt") {
            title += &format!(", attempt {number}");
        }
        if let Some(count) = self.attributes.get("hottap.attempts") {
            title += &format!(", {count} attempts");
        }
        title
    }
}

/// A drawing for each trace, in the order in which they began; spans below one another in the order in which these did.
#[track_caller]
pub(crate) fn drawn(mut spans: Vec<Span>) -> Vec<String> {
    spans.sort_by_key(|span| span.started);
    let mut traces: Vec<(String, Vec<Span>)> = Vec::new();
    for span in spans {
        match traces.iter_mut().find(|(trace, _)| *trace == span.trace) {
            Some((_, spans)) => spans.push(span),
            None => traces.push((span.trace.clone(), vec![span])),
        }
    }
    let drawing = |(_, spans): &(String, Vec<Span>)| {
        let mut drawing = String::new();
        draw(spans, None, 0, &mut drawing);
        // One whose parent is not there would be in no drawing.
        assert_eq!(drawing.lines().count(), spans.len(), "{drawing}{spans:#?}");
        drawing
    };
    traces.iter().map(drawing).collect()
}

/// Draws the spans below one, and checks that each began while its parent lasted.
#[track_caller]
fn draw(spans: &[Span], parent: Option<&Span>, depth: usize, drawing: &mut String) {
    let id = parent.map_or("", |parent| &parent.id);
    for span in spans.iter().filter(|span| span.parent == id) {
        if let Some(parent) = parent {
            let during = parent.started..=parent.ended;
            assert!(during.contains(&span.started), "{span:?} did not begin during {parent:?}");
        }
        *drawing += &format!("{}{}\n", "  ".repeat(depth), span.title());
        draw(spans, Some(span), depth + 1, drawing);
    }
}
