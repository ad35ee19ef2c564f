//! The cases of gRPC's interop suite with a runtime at one end and tonic inside a layer at the other, and with runtimes at
//! both.

use crate::interop_cases::{self, Carries};
use crate::recorder::Recorder;
use crate::test_service::TestService;
use crate::world::Running;
use crate::{layered, stand};

async fn passes(channel: impl Carries, sent: Recorder, server: Running, served: Recorder) {
    interop_cases::run(channel, &sent, &served).await;
    server.stop().await;
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}

#[tokio::test]
async fn the_interop_cases_pass_between_the_runtimes() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let server = Running::start(&served.start("interop"), TestService).await;
    passes(stand::channel(&sent.start("suite"), server.address), sent, server, served).await;
}

#[tokio::test]
async fn the_interop_cases_pass_between_the_client_runtime_and_tonics_server() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let tap = served.start("interop");
    let server = Running::of(|listener, stopped| layered::serve(&tap, listener, TestService, stopped)).await;
    passes(stand::channel(&sent.start("suite"), server.address), sent, server, served).await;
}

#[tokio::test]
async fn the_interop_cases_pass_between_tonics_channel_and_the_server_runtime() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let server = Running::start(&served.start("interop"), TestService).await;
    passes(layered::channel(&sent.start("suite"), server.address), sent, server, served).await;
}
