//! What happens when a call starts: the decision about its span, and the headers that tell of it.

use hottap_guest::{Config, Error, Side, StartedCall, Starter};

use crate::decision::Decision;
use crate::settings::{B3, Settings};

/// The starter: it opens spans. The host has made the span's ids by then, as the child of the caller's span.
#[derive(Debug)]
pub struct OpensSpan {
    ratio: f64,
    b3: B3,
}

impl Starter for OpensSpan {
    fn new(config: Config) -> Result<Self, Error> {
        let settings = Settings::parse(&config)?;
        Ok(Self { ratio: settings.ratio, b3: settings.b3 })
    }

    fn start(&self, call: &StartedCall) -> u64 {
        let mut decision = Decision::make(call.side(), call.trace_id(), call.sampled(), self.ratio);
        // Only a request that is about to leave has headers to be set.
        if call.side() == Side::Client {
            let told = match self.b3 {
                B3::Off => true,
                B3::Single => tell_single(call, decision.sampled),
                B3::Multi => tell_multi(call, decision.sampled),
            };
            decision.untold = !told;
        }
        decision.to_token()
    }
}

fn tell_single(call: &StartedCall, sampled: bool) -> bool {
    let (trace_id, span_id, sampled) = (call.trace_id(), call.span_id(), u8::from(sampled));
    let mut value = format!("{trace_id:032x}-{span_id:016x}-{sampled}");
    if call.parent_span_id() != 0 {
        value.push_str(&format!("-{:016x}", call.parent_span_id()));
    }
    call.set_header("b3", &value).is_ok()
}

fn tell_multi(call: &StartedCall, sampled: bool) -> bool {
    let mut told = call.set_header("x-b3-traceid", &format!("{:032x}", call.trace_id())).is_ok();
    told &= call.set_header("x-b3-spanid", &format!("{:016x}", call.span_id())).is_ok();
    told &= call.set_header("x-b3-sampled", if sampled { "1" } else { "0" }).is_ok();
    if call.parent_span_id() != 0 {
        told &= call.set_header("x-b3-parentspanid", &format!("{:016x}", call.parent_span_id())).is_ok();
    }
    told
}
