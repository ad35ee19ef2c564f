//! reqwest's requests, responses and bodies, as the layer inside sees them.

use http::response;
use reqwest::{Body, ResponseBuilderExt, Url};

use crate::layer::{ClientBody, Probe, Reached, ResponseBody};

/// reqwest sends only its own bodies. One that it holds in memory stays as it is, so that reqwest can send it again where a
/// redirect or a retry asks for it; it is counted at once, and once, however often it is sent.
impl ClientBody for Body {
    type Observed = Self;

    fn observe(self, probe: Probe) -> Self {
        match self.as_bytes() {
            _ if probe.is_idle() => self,
            Some(bytes) => {
                probe.count(bytes);
                self
            }
            None => Self::wrap(probe.watch(self)),
        }
    }
}

/// The URL that a response came from, after all redirects.
#[derive(Clone)]
struct From(Url);

/// A response as the layer takes it: with the peer that it came from.
pub(super) fn into_http(response: reqwest::Response) -> http::Response<Body> {
    let (peer, url) = (response.remote_addr(), response.url().clone());
    let mut response = http::Response::<Body>::from(response);
    response.extensions_mut().insert(From(url));
    if let Some(peer) = peer {
        response.extensions_mut().insert(Reached { peer, local: None });
    }
    response
}

/// The response that the application gets.
pub(super) fn from_http(response: http::Response<ResponseBody<Body>>) -> reqwest::Response {
    with_url(response.map(Body::wrap))
}

/// The same for a body that is reqwest's already.
pub(super) fn with_url(mut response: http::Response<Body>) -> reqwest::Response {
    if let Some(From(url)) = response.extensions_mut().remove::<From>()
        && let Ok(with_url) = response::Builder::new().url(url).body(())
    {
        response.extensions_mut().extend(with_url.into_parts().0.extensions);
    }
    reqwest::Response::from(response)
}
