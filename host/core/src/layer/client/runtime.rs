//! How the client runtime sends its calls through this layer: what it knows of them beforehand goes in, and a journal goes
//! on to the runtime inside.

use std::fmt;

use http::uri::{Authority, Scheme};
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::service::Hooks;
use super::{ClientBody, ClientService};
use crate::layer::ResponseFuture;
use crate::layer::active::Active;
use crate::layer::journal::Journal;
use crate::rpc::{Peer, RpcConfig, RpcInfo};
use crate::tracer::{Attempts, RequestHead};

/// What the runtime knows of a call before it is sent.
pub struct Runtime<'a> {
    /// Time-outs, in nanoseconds; 0 is none.
    pub config: &'a RpcConfig,
    /// The deadline in nanoseconds from now, if it is not in the request's headers; 0 is none.
    pub deadline: u64,
    /// Where the call goes, if it can only go there.
    pub peer: Option<&'a Peer>,
    /// What is put in place of the URI's own, if it is the same wherever the call goes.
    pub origin: Option<(&'a Scheme, &'a Authority)>,
    /// Attempts are counted, also where no events are recorded.
    pub counts_attempts: bool,
}

impl Hooks for Runtime<'_> {
    /// Scheme and authority of the request's URI are not what is sent.
    fn place(&self, head: RequestHead) -> RequestHead {
        match self.origin {
            Some(origin) => head.at(origin),
            None => head.nowhere(),
        }
    }

    fn fill(&self, info: &mut RpcInfo) {
        info.config.connect_timeout = self.config.connect_timeout;
        info.config.read_write_timeout = self.config.read_write_timeout;
        info.config.stream_recv_timeout = self.config.stream_recv_timeout;
        if info.config.deadline == 0 {
            info.config.deadline = self.deadline;
        }
        // Wherever the request's URI points, that is not where the call goes.
        info.set_peer(self.peer.cloned().unwrap_or(Peer::Unknown));
    }

    fn join(&self, active: &Active, extensions: &mut Extensions) {
        let exchange = active.exchange();
        let attempts = Attempts::of(active.call());
        if self.counts_attempts || attempts.is_some() || exchange.log().is_some() {
            extensions.insert(Journal::new(exchange.clone(), attempts));
        }
    }
}

impl<S> ClientService<S> {
    /// Sends a call of the runtime that is inside this service.
    #[inline]
    #[doc(hidden)]
    pub fn run<B, R>(&mut self, request: Request<B>, runtime: &Runtime<'_>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B::Observed>, Response = Response<R>>,
        S::Error: fmt::Display + 'static,
        B: ClientBody,
        R: Body,
    {
        self.send(request, runtime)
    }
}
