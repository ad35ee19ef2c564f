//! One trace as a tree: which of the spans that came are a whole one, and how it is drawn.

use std::collections::{BTreeMap, BTreeSet};

use super::otlp::Span;

/// Spans of the shop's placing an order: both sides of Checkout/Place, Inventory/Reserve and Pricing/Quote.
const WHOLE: usize = 6;
/// Deeper than any trace of the shop; a parent that is its own child's child ends here.
const MAX_DEPTH: usize = 16;

/// The spans of the first trace that is there from its root to its last span.
pub(super) fn first_whole(spans: &[Span]) -> Option<Vec<&Span>> {
    let mut traces: BTreeMap<&[u8], Vec<&Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace).or_default().push(span);
    }
    traces.into_values().find(|trace| {
        let ids: BTreeSet<&[u8]> = trace.iter().map(|span| span.id.as_slice()).collect();
        let roots = trace.iter().filter(|span| span.parent.is_empty()).count();
        let adopted = trace.iter().all(|span| span.parent.is_empty() || ids.contains(span.parent.as_slice()));
        trace.len() >= WHOLE && ids.len() == trace.len() && roots == 1 && adopted
    })
}

/// A line for each span, below its parent and in the order of their starts.
pub(super) fn tree(trace: &[&Span]) -> Vec<String> {
    let mut lines = Vec::new();
    branch(trace, &[], 0, &mut lines);
    lines
}

fn branch(trace: &[&Span], parent: &[u8], depth: usize, lines: &mut Vec<String>) {
    let mut children: Vec<&&Span> = trace.iter().filter(|span| span.parent == parent).collect();
    children.sort_by_key(|span| span.start);
    for span in children.into_iter().filter(|_| depth < MAX_DEPTH) {
        let side = match span.kind {
            2 => "server",
            3 => "client",
            _ => "inside",
        };
        let micros = span.end.saturating_sub(span.start) / 1_000;
        let (millis, rest) = (micros / 1_000, micros % 1_000);
        lines.push(format!("{millis:>4}.{rest:03} ms  {:indent$}{side} {}", "", span.name, indent = depth * 2));
        branch(trace, &span.id, depth + 1, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(trace: u8, id: u8, parent: u8, name: &str, start: u64) -> Span {
        let parent = if parent == 0 { vec![] } else { vec![parent] };
        let kind = 3 - u64::from(id) % 2;
        Span { trace: vec![trace], id: vec![id], parent, name: name.to_owned(), kind, start, end: start + 1_500_000 }
    }

    fn place(trace: u8) -> Vec<Span> {
        vec![
            span(trace, 5, 4, "Quote", 50),
            span(trace, 4, 1, "Quote", 40),
            span(trace, 3, 2, "Reserve", 30),
            span(trace, 2, 1, "Reserve", 20),
            span(trace, 1, 6, "Place", 10),
            span(trace, 6, 0, "Place", 5),
        ]
    }

    #[test]
    fn a_trace_is_whole_from_its_root_to_its_last_span() {
        let whole = place(1);
        assert_eq!(first_whole(&whole).map(|trace| trace.len()), Some(6));
        for missing in 0..6 {
            let mut spans = whole.clone();
            spans.remove(missing);
            assert_eq!(first_whole(&spans), None, "without span {missing}");
            spans.extend(place(2));
            assert_eq!(first_whole(&spans).map(|trace| trace[0].trace.clone()), Some(vec![2]));
        }
        let twice = [whole.clone(), whole].concat();
        assert_eq!(first_whole(&twice), None, "a span that came twice");
    }

    #[test]
    fn a_span_stands_below_its_parent() {
        let spans = place(1);
        let lines = tree(&first_whole(&spans).expect("it is whole"));
        assert_eq!(
            lines,
            [
                "   1.500 ms  client Place",
                "   1.500 ms    server Place",
                "   1.500 ms      client Reserve",
                "   1.500 ms        server Reserve",
                "   1.500 ms      client Quote",
                "   1.500 ms        server Quote",
            ]
        );
    }
}
