//! The front: orders over plain HTTP, for whoever has no gRPC client at hand. Checkout places them, as it does the load's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::json;

use crate::design::{Order, Prices};
use crate::proto::PlaceRequest;
use crate::proto::checkout_server::Checkout;
use crate::services::CheckoutService;

/// Far above the numbers of the load's orders.
const FIRST_ORDER: u64 = 1 << 40;

/// What takes orders: `POST /place` places the next one that is designed to come to a good end.
pub(crate) fn router(checkout: Arc<CheckoutService>) -> Router {
    let next = Arc::new(AtomicU64::new(FIRST_ORDER));
    Router::new().route("/place", post(place)).with_state((checkout, next))
}

async fn place(State((checkout, next)): State<(Arc<CheckoutService>, Arc<AtomicU64>)>) -> (StatusCode, String) {
    let order = loop {
        let order = Order::new(next.fetch_add(1, Ordering::Relaxed));
        if order.in_stock() && order.prices() == Prices::Known {
            break order;
        }
    };
    let request = PlaceRequest { order: order.number(), items: order.items() };
    match checkout.place(tonic::Request::new(request)).await {
        Ok(reply) => {
            let reply = reply.into_inner();
            let answer = json!({"order": order.number(), "items": order.items(), "total_cents": reply.total_cents});
            (StatusCode::OK, format!("{answer}\n"))
        }
        Err(status) => (StatusCode::BAD_GATEWAY, format!("{}\n", status.message())),
    }
}
