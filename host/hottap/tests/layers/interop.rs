//! The cases of gRPC's interop suite between tonic and tonic, each inside a layer.

use crate::recorder::Recorder;
use crate::test_service::TestService;
use crate::world::Running;
use crate::{interop_cases, stand};

#[tokio::test]
async fn what_the_interop_cases_send_is_what_both_layers_saw() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let server = Running::start(&served.start("interop"), TestService).await;
    interop_cases::run(stand::channel(&sent.start("suite"), server.address), &sent, &served).await;
    server.stop().await;
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}
