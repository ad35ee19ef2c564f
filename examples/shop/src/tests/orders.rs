//! Two orders whose calls are known, placed in a shop that is traced; what tracers make of them is not here.

use hottap::Hottap;
use hottap::rpc::{Protocol, Side};

use super::PATIENCE;
use crate::design::{Order, Prices};
use crate::proto::PlaceRequest;
use crate::shop::Shop;

/// The method of a call that is made last, so that whoever reads it has read all before.
pub(crate) const LAST: &str = "shop.v1.Test/Last";

/// The spans of the order that is out of stock, whoever makes them: no call of it is made twice.
pub(crate) const OUT_OF_STOCK: &str = "\
client shop.v1.Checkout/Place FAILED_PRECONDITION
  server shop.v1.Checkout/Place FAILED_PRECONDITION
    client shop.v1.Inventory/Reserve FAILED_PRECONDITION
      server shop.v1.Inventory/Reserve FAILED_PRECONDITION
";

/// Opens the shop, places an order that is priced when Pricing is asked for the second time, then one that is out of stock,
/// and ends the shop.
pub(crate) fn place(tap: &Hottap) {
    let order = |is_so: &dyn Fn(Order) -> bool| (1..).map(Order::new).find(|order| is_so(*order)).expect("some are");
    let asked_twice = order(&|order| order.in_stock() && order.prices() == Prices::KnownAtRetry);
    let out_of_stock = order(&|order| !order.in_stock());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let shop = Shop::open(tap).await.expect("loopback ports");
        let mut client = shop.client(tap).expect("an address");
        for order in [asked_twice, out_of_stock] {
            let reply = client.place(PlaceRequest { order: order.number(), items: order.items() }).await;
            assert_eq!(reply.is_ok(), order.in_stock(), "{reply:?}");
        }
        drop(client);
        shop.close(PATIENCE).await.expect("no call is open");
    });
    let mut last = tap.start_call(Side::Client, LAST).expect("it is traced");
    last.set_protocol(Protocol::Grpc);
    last.set_rpc_status(0);
    last.finish();
}
