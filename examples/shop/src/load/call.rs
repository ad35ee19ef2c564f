//! One RPC of the load, from the request to the verdict.

use std::time::Duration;

use hottap::client::Client;
use tonic::{Request, Status};

use super::verdict::{self, Verdict};
use crate::design::{Kind, Order};
use crate::proto::checkout_client::CheckoutClient;
use crate::proto::{PlaceRequest, Stage, WatchRequest};

/// The slowest designed RPC takes a tenth of a second. One that takes longer than this on a busy machine counts as
/// failed, and is given up, so that nobody waits for the end of the load for ever.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Makes the RPC of an order.
pub(crate) async fn call(client: &mut CheckoutClient<Client>, order: Order) -> Verdict {
    let call = async {
        match order.kind() {
            Kind::Place => place(client, order).await,
            Kind::Watch => watch(client, order).await,
        }
    };
    match tokio::time::timeout(LIMIT, call).await {
        Ok(verdict) => verdict,
        Err(_) => Verdict::Wrong(format!("order {} took longer than {} s", order.number(), LIMIT.as_secs())),
    }
}

async fn place(client: &mut CheckoutClient<Client>, order: Order) -> Verdict {
    let request = PlaceRequest { order: order.number(), items: order.items() };
    let reply = client.place(limited(request)).await;
    verdict::of_place(order, reply.map(tonic::Response::into_inner))
}

async fn watch(client: &mut CheckoutClient<Client>, order: Order) -> Verdict {
    let mut stages = Vec::new();
    let end = read_stages(client, order, &mut stages).await;
    verdict::of_watch(order, &stages, end)
}

/// Reads the stream to its end; what came before an error stays in `stages`.
async fn read_stages(client: &mut CheckoutClient<Client>, order: Order, stages: &mut Vec<Stage>) -> Result<(), Status> {
    let mut stream = client.watch(limited(WatchRequest { order: order.number() })).await?.into_inner();
    while let Some(progress) = stream.message().await? {
        stages.push(progress.stage());
    }
    Ok(())
}

/// Tells the server how long the client waits.
fn limited<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(LIMIT);
    request
}
