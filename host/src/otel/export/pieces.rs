//! A batch as requests that a collector has room for; it knows no network.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;

/// Bytes of a request before it is compressed: OTLP recommends it, and servers of gRPC take no more by default. What is
/// longer would be refused as a whole.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// The request in halves of halves, in their order, until none is longer than `most` bytes, with how many spans are in each.
/// A span that is too long by itself stays.
pub(super) fn pieces(request: ExportTraceServiceRequest, most: usize) -> Vec<(ExportTraceServiceRequest, usize)> {
    let (mut whole, mut pieces) = (vec![request], Vec::new());
    while let Some(request) = whole.pop() {
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let count = scopes.map(|scope| scope.spans.len()).sum();
        if count > 1 && request.encoded_len() > most {
            let (first, second) = cut(request, count / 2);
            whole.extend([second, first]);
        } else {
            pieces.push((request, count));
        }
    }
    pieces
}

/// The first spans, and the others.
fn cut(
    mut request: ExportTraceServiceRequest,
    mut first: usize,
) -> (ExportTraceServiceRequest, ExportTraceServiceRequest) {
    let mut others = Vec::new();
    for resource in &mut request.resource_spans {
        let mut scopes = Vec::new();
        for scope in &mut resource.scope_spans {
            let spans = scope.spans.split_off(first.min(scope.spans.len()));
            first -= scope.spans.len();
            if !spans.is_empty() {
                scopes.push(ScopeSpans { scope: scope.scope.clone(), spans, schema_url: scope.schema_url.clone() });
            }
        }
        resource.scope_spans.retain(|scope| !scope.spans.is_empty());
        if !scopes.is_empty() {
            let ResourceSpans { resource, schema_url, .. } = &*resource;
            others.push(ResourceSpans {
                resource: resource.clone(),
                scope_spans: scopes,
                schema_url: schema_url.clone(),
            });
        }
    }
    request.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
    (request, ExportTraceServiceRequest { resource_spans: others })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;

    /// Resources, with scopes of so many spans, each of a hundred bytes.
    fn request(resources: &[&[usize]]) -> ExportTraceServiceRequest {
        let mut number = 0;
        let mut span = || {
            number += 1;
            Span { name: format!("{number:0>98}"), ..Span::default() }
        };
        let mut scope = |(index, count): (usize, &usize)| ScopeSpans {
            scope: Some(InstrumentationScope { name: index.to_string(), ..InstrumentationScope::default() }),
            spans: (0..*count).map(|_| span()).collect(),
            schema_url: "scopes".to_owned(),
        };
        let resource_spans = resources.iter().map(|scopes| ResourceSpans {
            scope_spans: scopes.iter().enumerate().map(&mut scope).collect(),
            schema_url: "resources".to_owned(),
            ..ResourceSpans::default()
        });
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
    }

    /// Each span with the scope that it is in.
    fn spans(request: &ExportTraceServiceRequest) -> Vec<(String, String)> {
        let resources = request.resource_spans.iter().inspect(|resource| assert_eq!(resource.schema_url, "resources"));
        let scopes = resources.flat_map(|resource| &resource.scope_spans).inspect(|scope| {
            assert!(!scope.spans.is_empty() && scope.schema_url == "scopes");
        });
        let named = |scope: &ScopeSpans| scope.scope.as_ref().map_or_else(String::new, |scope| scope.name.clone());
        scopes.flat_map(|scope| scope.spans.iter().map(move |span| (named(scope), span.name.clone()))).collect()
    }

    #[test]
    fn no_piece_is_longer_than_it_may_be_and_no_span_is_lost() {
        for (resources, most, counts) in [
            (&[&[5][..]][..], 10_000, &[5][..]),
            (&[&[5]], 250, &[2, 1, 2]),
            (&[&[5]], 1, &[1, 1, 1, 1, 1]),
            (&[&[3, 4], &[1, 2]], 700, &[5, 5]),
            (&[&[3, 4], &[1, 2]], 360, &[2, 3, 2, 3]),
            (&[&[1]], 1, &[1]),
            (&[], 1, &[0]),
        ] {
            let whole = request(resources);
            let pieces = pieces(whole.clone(), most);
            assert_eq!(pieces.iter().map(|(_, count)| *count).collect::<Vec<_>>(), counts, "{resources:?} {most}");
            let all: Vec<_> = pieces.iter().flat_map(|(piece, _)| spans(piece)).collect();
            assert_eq!(all, spans(&whole), "{resources:?} {most}");
            for (piece, count) in pieces {
                assert!(count <= 1 || piece.encoded_len() <= most, "{count} {most}");
                assert_eq!(spans(&piece).len(), count);
            }
        }
    }
}
