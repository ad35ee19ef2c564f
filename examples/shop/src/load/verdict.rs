//! Whether an RPC came out as its order's number says. Pure; makes no calls.

use tonic::{Code, Status};

use crate::design::{Order, Prices};
use crate::proto::{PlaceReply, Stage};

/// What is to be said of a finished RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It succeeded as it should.
    Fine,
    /// It failed as it should.
    FailedByDesign,
    /// It should not have come out so; in words.
    Wrong(String),
}

/// What came of `Checkout/Place`.
pub(crate) fn of_place(order: Order, found: Result<PlaceReply, Status>) -> Verdict {
    let designed = match ends(order) {
        Code::Ok => Ok(PlaceReply {
            reservation: order.reservation(),
            lines: u32::try_from(order.items().len()).unwrap_or(u32::MAX),
            total_cents: order.total_cents(),
        }),
        code => Err(code),
    };
    match (designed, found) {
        (Ok(designed), Ok(found)) if designed == found => Verdict::Fine,
        (Err(designed), Err(found)) if designed == found.code() => Verdict::FailedByDesign,
        (designed, found) => wrong("Place", order, &designed, &found),
    }
}

/// What came of `Checkout/Watch`: the messages, and how the stream ended.
pub(crate) fn of_watch(order: Order, stages: &[Stage], end: Result<(), Status>) -> Verdict {
    let code = ends(order);
    let designed: &[Stage] = match code {
        Code::Ok => &[Stage::Received, Stage::Reserved, Stage::Priced, Stage::Placed],
        Code::FailedPrecondition => &[Stage::Received],
        _ => &[Stage::Received, Stage::Reserved],
    };
    let found = end.as_ref().map_or_else(Status::code, |()| Code::Ok);
    match code {
        _ if (code, designed) != (found, stages) => wrong("Watch", order, &(designed, code), &(stages, end)),
        Code::Ok => Verdict::Fine,
        _ => Verdict::FailedByDesign,
    }
}

/// How an order ends, whichever way one asks.
fn ends(order: Order) -> Code {
    match (order.in_stock(), order.prices()) {
        (false, _) => Code::FailedPrecondition,
        (true, Prices::Unknown) => Code::Unavailable,
        (true, Prices::Known | Prices::KnownAtRetry) => Code::Ok,
    }
}

fn wrong(method: &str, order: Order, designed: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug) -> Verdict {
    Verdict::Wrong(format!("{method} of order {} should have been {designed:?}, was {found:?}", order.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first order that ends so.
    fn order(code: Code) -> Order {
        (0..).map(Order::new).find(|order| ends(*order) == code).expect("there is one")
    }

    fn reply(order: Order) -> PlaceReply {
        let lines = order.items().len() as u32;
        PlaceReply { reservation: order.reservation(), lines, total_cents: order.total_cents() }
    }

    #[track_caller]
    fn is_wrong(verdict: &Verdict) {
        assert!(matches!(verdict, Verdict::Wrong(_)), "{verdict:?}");
    }

    #[test]
    fn a_placed_order_is_fine_only_if_all_of_its_reply_is_right() {
        let good = order(Code::Ok);
        assert_eq!(of_place(good, Ok(reply(good))), Verdict::Fine);
        is_wrong(&of_place(good, Ok(PlaceReply { total_cents: 1, ..reply(good) })));
        is_wrong(&of_place(good, Ok(PlaceReply { lines: 9, ..reply(good) })));
        is_wrong(&of_place(good, Ok(PlaceReply { reservation: 0, ..reply(good) })));
        is_wrong(&of_place(good, Err(Status::unavailable("connection refused"))));
    }

    #[test]
    fn a_failure_is_by_design_only_with_the_designed_status() {
        for code in [Code::FailedPrecondition, Code::Unavailable] {
            let bad = order(code);
            assert_eq!(of_place(bad, Err(Status::new(code, ""))), Verdict::FailedByDesign);
            is_wrong(&of_place(bad, Err(Status::internal(""))));
            is_wrong(&of_place(bad, Ok(reply(bad))));
        }
    }

    #[test]
    fn a_stream_is_judged_by_its_messages_and_its_end() {
        let all = [Stage::Received, Stage::Reserved, Stage::Priced, Stage::Placed];
        let good = order(Code::Ok);
        assert_eq!(of_watch(good, &all, Ok(())), Verdict::Fine);
        is_wrong(&of_watch(good, &all[..3], Ok(())));
        is_wrong(&of_watch(good, &all, Err(Status::cancelled(""))));
        for (code, messages) in [(Code::FailedPrecondition, 1), (Code::Unavailable, 2)] {
            let bad = order(code);
            assert_eq!(of_watch(bad, &all[..messages], Err(Status::new(code, ""))), Verdict::FailedByDesign);
            is_wrong(&of_watch(bad, &all[..messages], Ok(())));
            is_wrong(&of_watch(bad, &[], Err(Status::new(code, ""))));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_order_and_both_outcomes() {
        let good = order(Code::Ok);
        let Verdict::Wrong(words) = of_place(good, Err(Status::internal("broken pipe"))) else { panic!("it is wrong") };
        for part in ["Place", &good.number().to_string(), "reservation", "broken pipe"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
