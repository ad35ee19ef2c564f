//! nginx as a server of the client runtime over TLS: what ALPN agrees on, and what its access log says that it sent.

use hottap::client::Tls;
use hottap::rpc::{Outcome, Transport};
use http::Request;

use crate::certificate::Certificate;
use crate::nginx::{LARGE, Nginx, line, send};
use crate::recorder::Recorder;

#[tokio::test]
#[ignore = "needs nginx"]
async fn a_client_of_nginx_is_recorded_over_tls() {
    let program = fixtures::peer("HOTTAP_TEST_NGINX");
    for (options, transport) in [("ssl http2", Transport::Http2), ("ssl", Transport::Http1)] {
        let folder = tempfile::tempdir().expect("the temporary folder can be made");
        let certificate = Certificate::new();
        let (pem, key) = certificate.write(folder.path());
        let options = format!("{options}; ssl_certificate {}; ssl_certificate_key {}", pem.display(), key.display());
        let mut nginx = Nginx::with(&program, folder.path(), &options).await;
        let sent = Recorder::default();
        let tls = Tls::new().ca_pem(certificate.pem).server_name("localhost");
        let client = sent.start("shop").client(format!("https://{}", nginx.address)).tls(tls).build().expect("builds");
        for (i, (request, status, received, outcome)) in [
            (Request::get("/small.txt"), 200, Some(11), Outcome::Ok),
            (Request::get("/large.txt"), 200, Some(LARGE), Outcome::Ok),
            (Request::head("/large.txt"), 200, Some(0), Outcome::Ok),
            (Request::get("/nothing.txt"), 404, None, Outcome::Error),
            (Request::post("/small.txt"), 405, None, Outcome::Error),
        ]
        .into_iter()
        .enumerate()
        {
            let (response, body) = send(&client, request).await;
            assert_eq!((response.status().as_u16(), received.unwrap_or(body.len())), (status, body.len()));
            let info = sent.finished(i + 1).await.remove(i);
            assert_eq!((info.stats().outcome(), info.config().transport()), (outcome, transport));
            assert_eq!((info.stats().received().bytes, info.attempts()), (body.len() as u64, 1));
            // One connection serves them all.
            assert_eq!(nginx.told().await, line(&info, i as u32 + 1, body.len() as u64));
        }
        sent.assert_each_finished_once();
    }
}
