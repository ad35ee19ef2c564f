//! A service that has forgotten hottap's features is told so: by the compiler where it does not compile, by the log where it
//! does. `cargo xtask ci` runs this without features.

#[cfg(not(feature = "axum"))]
#[path = "layers/notices.rs"]
mod notices;
#[cfg(not(feature = "axum"))]
#[expect(dead_code, reason = "the calls are not looked at here")]
#[path = "layers/recorder.rs"]
mod recorder;

#[cfg(not(feature = "axum"))]
#[tokio::test]
async fn axum_without_its_feature_is_warned_of_once() {
    use axum::Router;
    use axum::extract::Request;
    use axum::routing::get;
    use tower::ServiceExt;
    use tracing::Level;

    let (notices, _listening) = notices::Notices::listen();
    let users = || Router::new().route("/users/{id}", get(async || "user"));
    // Each is a Hottap of its own: the line comes once in each.
    let (inside, around) = (recorder::Recorder::default().start("users"), recorder::Recorder::default().start("users"));
    let inside = users().layer(inside.server_layer());
    let around = around.server_layer().layer(users());
    for _ in 0..3 {
        let request = || Request::get("/users/17").body(axum::body::Body::empty()).expect("a request");
        inside.clone().oneshot(request()).await.expect("answers");
        around.clone().oneshot(request()).await.expect("answers");
    }
    let lines = notices.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (level, line) in &lines {
        assert_eq!(*level, Level::WARN);
        assert!(line.contains("enable the feature `axum` of the crate hottap"), "{line}");
    }
}

/// Does not compile without the feature `tonic`: `cargo xtask ci` reads the error.
#[cfg(forgotten)]
mod forgotten {
    fn is_a_transport(_: impl tonic::client::GrpcService<tonic::body::Body>) {}

    fn tonics_client(tap: &hottap::Hottap, channel: tonic::transport::Channel) {
        is_a_transport(tap.client_layer().layer(channel));
    }
}
