//! gRPC's own Python and the runtimes over TLS: what is recorded is what is recorded without it.

use hottap::client::Tls as ClientTls;
use hottap::server::Tls as ServerTls;
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::service::Routes;

use crate::certificate::Certificate;
use crate::echo::Echo;
use crate::python::{self, CLIENT, SERVER, python};
use crate::recorder::Recorder;
use crate::world::{Client, Running};

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_python_client_is_recorded_over_tls() {
    let python = python();
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let certificate = Certificate::new();
    let (pem, _) = certificate.write(folder.path());
    let served = Recorder::default();
    let tls = ServerTls::from_pem(certificate.pem.as_bytes(), certificate.key.as_bytes()).expect("a pair");
    let server = served.start("echo").server().tls(tls);
    let running = Running::of(|listener, stopped| {
        let bound = server.listen(listener).expect("listens");
        tokio::spawn(async move {
            bound.serve_until(Routes::new(Echo::default()), async { _ = stopped.await }).await;
        })
    })
    .await;
    let arguments = [&running.address.to_string(), "calls", pem.to_str().expect("UTF-8")];
    python::done(python::run(&python, CLIENT, &arguments)).await;
    python::check_client(&served.finished(6).await);
    running.stop().await;
    served.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_python_server_is_recorded_over_tls() {
    let python = python();
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let certificate = Certificate::new();
    let (pem, key) = certificate.write(folder.path());
    let arguments = [&key, &pem].map(|path| path.to_str().expect("UTF-8"));
    let mut server = python::run(&python, SERVER, &arguments);
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let port = lines.next_line().await.expect("readable").expect("a port");
    let sent = Recorder::default();
    let tls = ClientTls::new().ca_pem(certificate.pem).server_name("localhost");
    let builder = sent.start("shop").client(format!("https://127.0.0.1:{port}")).tls(tls);
    let client = Client::over(builder.callee("echo").build().expect("builds"));
    python::check_server(client, &sent, &mut lines).await;
    drop(server);
}
