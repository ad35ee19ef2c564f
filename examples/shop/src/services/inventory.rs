//! Inventory: puts items aside, unless the order is one that is designed to find nothing.

use tonic::{Request, Response, Status};

use super::work;
use crate::design::{Order, Step};
use crate::proto::inventory_server::Inventory;
use crate::proto::{ReserveReply, ReserveRequest};

/// The service.
pub(crate) struct InventoryService;

#[tonic::async_trait]
impl Inventory for InventoryService {
    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<ReserveReply>, Status> {
        let ReserveRequest { order, items } = request.into_inner();
        let Some(item) = items.first() else {
            return Err(Status::invalid_argument("there is nothing to reserve"));
        };
        let order = Order::new(order);
        work(order.delay(Step::Reserve)).await;
        if !order.in_stock() {
            return Err(Status::failed_precondition(format!("out of stock: {item}")));
        }
        Ok(Response::new(ReserveReply { reservation: order.reservation() }))
    }
}
