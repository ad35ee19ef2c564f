//! From a finished call to its span: which facts become which attributes, by OpenTelemetry's conventions.

use std::fmt;

use hottap_guest::conventions::{failure, rpc_system, status_text};
use hottap_guest::metrics::{Counter, CounterSeries, Keyed};
use hottap_guest::{Batch, Call, Element, Event, EventStatus, Field, Flush, Protocol, Side, Symbol};

use crate::decision::{Decision, Kind};
use crate::otlp::{self, field};
use crate::peers::Peers;
use crate::protobuf::{bytes, fixed32, fixed64, number};
use crate::request::Request;
use crate::settings::Settings;

const HTTP: u64 = Protocol::Http.number() as u64;
const IN_PROCESS: u64 = Protocol::None.number() as u64;
/// Tags that become attributes: as many as a call can carry, its own and those of either end, 32 each. Another host may
/// know no bound, and a mistake of the application must not make a span of a megabyte.
const MAX_TAGS: usize = 96;
/// W3C's flag "sampled", and OTLP's "it is known whether the parent is in another process" and "there is one, and it is".
const FLAGS: u32 = 0x101;
const REMOTE_PARENT: u32 = 0x200;

/// Closes spans.
pub(crate) struct Spans {
    settings: Settings,
    /// What spans of the same kind have in common, already encoded.
    common: Keyed<Box<[u8]>>,
    peers: Peers,
    untold: CounterSeries,
}

impl Spans {
    pub(crate) fn new(settings: Settings) -> Self {
        let untold = Counter::define("rpc_span.b3.not_set")
            .unit("{call}")
            .help("Calls that left without B3 headers, because the request had them already or they are not allowed.")
            .build();
        Self { settings, common: Keyed::new(), peers: Peers::default(), untold: untold.with(&[]) }
    }

    pub(crate) fn finish(&mut self, batch: &Batch, request: &mut Request) {
        use Field::{
            BusinessStatus, Duration, ErrorType, HttpStatus, Method, ParentSpanId, Protocol, ReceivedBytes, RpcStatus,
            Sampled, SentBytes, SpanId, Started, Token, TraceIdHigh, TraceIdLow,
        };
        // All in one question: it is the questions that a small batch costs.
        let [
            sides,
            methods,
            protocols,
            rpc_statuses,
            http_statuses,
            error_types,
            tokens,
            sampled,
            highs,
            lows,
            span_ids,
            parents,
            started,
            nanos,
            sent,
            received,
            business,
        ] = batch.columns([
            Field::Side,
            Method,
            Protocol,
            RpcStatus,
            HttpStatus,
            ErrorType,
            Token,
            Sampled,
            TraceIdHigh,
            TraceIdLow,
            SpanId,
            ParentSpanId,
            Started,
            Duration,
            SentBytes,
            ReceivedBytes,
            BusinessStatus,
        ]);
        let tagged = batch.tag_offsets().raw().last().is_some_and(|&tags| tags > 0);

        self.peers.clear();

        let who = sides.iter().zip(methods).zip(protocols);
        let how = rpc_statuses.iter().zip(http_statuses).zip(error_types);
        let decided = tokens.iter().zip(sampled);
        let ids = highs.iter().zip(lows).zip(span_ids).zip(parents);
        let peers = batch.peers().raw();
        let when = started.iter().zip(nanos);
        let much = sent.iter().zip(received).zip(business);
        let calls = who.zip(how).zip(decided).zip(ids).zip(when).zip(much).zip(peers).zip(batch.calls());
        for (((((((who, how), (&token, &sampled)), ids), (&started, &nanos)), much), &peer), call) in calls {
            let (((&side, &method), &protocol), ((&rpc, &http), &error_type)) = (who, how);
            let (((&high, &low), &span_id), &parent) = ids;
            let ((&sent, &received), &business) = much;
            let decision = Decision::from_token(token).unwrap_or_else(|| {
                let trace_id = u128::from(high) << 64 | u128::from(low);
                Decision::make(Side::from_raw(side as u8), trace_id, sampled != 0, self.settings.ratio)
            });
            if decision.untold {
                self.untold.increment();
            }
            if !decision.sampled {
                continue;
            }
            let status = if protocol == HTTP { http } else { rpc };
            let rest = side | protocol << 8 | status << 16 | (decision.kind as u64) << 32;
            let key = u128::from(method | error_type << 32) | u128::from(rest) << 64;
            let Self { settings, common, peers, .. } = self;
            let common = common.get_or_insert_with(key, || encode_common(call, decision.kind, settings.method_names));
            request.span(|span| {
                let mut trace_id = [0; 16];
                let (first, last) = trace_id.split_at_mut(8);
                first.copy_from_slice(&high.to_be_bytes());
                last.copy_from_slice(&low.to_be_bytes());
                bytes(span, field::TRACE_ID, &trace_id);
                bytes(span, field::SPAN_ID, &span_id.to_be_bytes());
                if parent != 0 {
                    bytes(span, field::PARENT_SPAN_ID, &parent.to_be_bytes());
                }
                let is_remote = parent != 0 && decision.kind == Kind::Server;
                fixed32(span, field::FLAGS, if is_remote { FLAGS | REMOTE_PARENT } else { FLAGS });
                fixed64(span, field::START, started);
                fixed64(span, field::END, started.saturating_add(nanos));
                span.extend_from_slice(common);
                if protocol != IN_PROCESS {
                    encode_sizes(span, protocol == HTTP, decision.kind, sent, received);
                }
                span.extend_from_slice(peers.attributes(decision.kind, peer, || call.peer()));
                if error_type != 0 && failure(call) != Symbol::NONE {
                    otlp::failed(span, call.error_message());
                }
                if business != 0 {
                    otlp::integer(span, field::ATTRIBUTES, "rpc.business_status", business.cast_signed());
                }
                if tagged {
                    for tag in call.tags().take(MAX_TAGS) {
                        otlp::text(span, field::ATTRIBUTES, tag.key.as_str(), tag.value);
                    }
                }
                if settings.events {
                    encode_events(span, call, started);
                }
            });
        }
    }

    pub(crate) fn flush(&mut self, at: Flush) {
        self.common.forget_idle(at.elapsed);
    }
}

/// Name, kind and the attributes that are made of names. Cold: the first call of its kind in some minutes.
#[cold]
#[inline(never)]
fn encode_common(call: Call<'_>, kind: Kind, method_names: bool) -> Box<[u8]> {
    let mut span = Vec::new();
    let name = if method_names && !call.method().is_empty() { call.method() } else { kind.span_name() };
    bytes(&mut span, field::NAME, name.as_bytes());
    number(&mut span, field::KIND, kind as u64);

    let mut attribute = |key: &str, value: &str| {
        if !value.is_empty() {
            otlp::text(&mut span, field::ATTRIBUTES, key, value);
        }
    };
    attribute("error.type", failure(call).as_str());
    if call.protocol() == Protocol::None {
        // Nothing went over a wire; the conventions have no name for what is called inside a process.
        attribute("endpoint.method", call.method());
    } else if call.protocol() == Protocol::Http {
        // `GET /users/{id}` is method and route; where there is no route it is the method alone.
        let (method, route) = call.method().split_once(' ').unwrap_or((call.method(), ""));
        attribute("http.request.method", method);
        attribute("http.route", route);
        if let Some(status) = call.http_status() {
            otlp::integer(&mut span, field::ATTRIBUTES, "http.response.status_code", status.into());
        }
    } else {
        attribute("rpc.system.name", rpc_system(call.protocol()));
        attribute("rpc.method", call.method());
        attribute("rpc.response.status_code", &status_text(call.protocol(), call.rpc_status()));
    }
    span.into()
}

/// Body bytes, named by what they are and not by who counted them.
fn encode_sizes(span: &mut Vec<u8>, http: bool, kind: Kind, sent: u64, received: u64) {
    let (request, response) = if kind == Kind::Client { (sent, received) } else { (received, sent) };
    let keys = if http {
        ["http.request.body.size", "http.response.body.size"]
    } else {
        ["rpc.request.size", "rpc.response.size"]
    };
    for (key, size) in keys.into_iter().zip([request, response]) {
        otlp::integer(span, field::ATTRIBUTES, key, size.min(i64::MAX as u64).cast_signed());
    }
}

fn encode_events(span: &mut Vec<u8>, call: Call<'_>, started: u64) {
    for event in call.events() {
        // They say what start and end of the span say.
        if event.kind == Event::RPC_START || event.kind == Event::RPC_FINISH {
            continue;
        }
        let status = match event.status {
            EventStatus::Info => None,
            EventStatus::Warn => Some(("event.status", "warn")),
            EventStatus::Error => Some(("event.status", "error")),
        };
        let words = (!event.info.is_empty()).then_some(("event.info", event.info));
        let attributes: Vec<(&str, &str)> = status.into_iter().chain(words).collect();
        let nanos = u64::try_from(event.at.as_nanos()).unwrap_or(u64::MAX);
        otlp::event(span, started.saturating_add(nanos), event.kind.as_str(), &attributes);
    }
    number(span, field::DROPPED_EVENTS, call.events_elided().into());
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("settings", &self.settings).field("kinds", &self.common.len()).finish()
    }
}
