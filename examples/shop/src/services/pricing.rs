//! Pricing: streams a price for each item, unless the order is one that is designed to be asked again, or in vain.

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::work;
use crate::design::{Order, Prices, Step, cents};
use crate::proto::pricing_server::Pricing;
use crate::proto::{PriceLine, QuoteRequest};

/// How often Pricing was asked before, as clients that retry tell it.
/// Source: <https://github.com/grpc/proposal/blob/master/A6-client-retries.md>
const ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// The service.
pub(crate) struct PricingService;

#[tonic::async_trait]
impl Pricing for PricingService {
    type QuoteStream = tokio_stream::Iter<std::vec::IntoIter<Result<PriceLine, Status>>>;

    async fn quote(&self, request: Request<QuoteRequest>) -> Result<Response<Self::QuoteStream>, Status> {
        let again = previous_attempts(request.metadata()) > 0;
        let QuoteRequest { order, items } = request.into_inner();
        let order = Order::new(order);
        match order.prices() {
            Prices::Unknown => return Err(Status::unavailable("no prices are known")),
            Prices::KnownAtRetry if !again => return Err(Status::unavailable("busy")),
            Prices::Known | Prices::KnownAtRetry => {}
        }
        work(order.delay(Step::Quote)).await;
        let lines: Vec<_> = items.into_iter().map(price).collect();
        Ok(Response::new(tokio_stream::iter(lines)))
    }
}

fn price(item: String) -> Result<PriceLine, Status> {
    match cents(&item) {
        Some(cents) => Ok(PriceLine { item, cents }),
        None => Err(Status::not_found("there is no such item")),
    }
}

/// 0 if the client does not say, or not so that it can be read.
fn previous_attempts(metadata: &MetadataMap) -> u32 {
    metadata.get(ATTEMPTS).and_then(|attempts| attempts.to_str().ok()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_cannot_be_read_are_none() {
        for (value, attempts) in [(None, 0), (Some("1"), 1), (Some("-1"), 0), (Some("x"), 0), (Some("99999999999"), 0)]
        {
            let mut metadata = MetadataMap::new();
            if let Some(value) = value {
                metadata.insert(ATTEMPTS, value.parse().expect("a header's value"));
            }
            assert_eq!(previous_attempts(&metadata), attempts, "{value:?}");
        }
    }
}
