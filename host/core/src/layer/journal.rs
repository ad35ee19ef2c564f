//! The record that the sender inside the layer (the client runtime, reqwest's middleware) keeps of a call: events that
//! only the sender sees, the attempts, and the peer that was reached.

use crate::lock::lock;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use http::uri::{Authority, Scheme};

use super::exchange::Exchange;
use crate::rpc::EventKind;
use crate::rpc::{Peer, RpcInfo, RpcNotes};
use crate::tracer;

/// Where the runtime writes down what happens to one call. In the request's extensions, if the call is watched and there
/// may be something to write.
#[derive(Clone)]
pub struct Journal {
    exchange: Arc<Exchange>,
    /// If some tracer wants a row for each attempt.
    attempts: Option<tracer::Attempts>,
}

impl Journal {
    pub(super) fn new(exchange: Arc<Exchange>, attempts: Option<tracer::Attempts>) -> Self {
        Self { exchange, attempts }
    }

    /// Starts an attempt's row, if some tracer wants it; the first attempt has the number 1. It goes to this peer, and its
    /// request has this scheme and this authority.
    pub fn attempt(&self, number: u16, peer: &Peer, origin: (&Scheme, &Authority)) -> Option<tracer::Call> {
        self.attempts.as_ref().map(|attempts| attempts.start_towards(number, peer, origin))
    }

    /// The call's level is detailed.
    pub fn is_detailed(&self) -> bool {
        self.exchange.log().is_some()
    }

    /// Records an event, if the call's level is detailed.
    pub fn record(&self, kind: EventKind) {
        self.exchange.record(kind);
    }

    /// An attempt begins; the first has the number 1.
    pub fn attempt_started(&self, number: u16) {
        self.exchange.attempts().count.store(number, Ordering::Relaxed);
    }

    /// An attempt has failed.
    pub fn attempt_failed(&self, number: u16, error: &dyn fmt::Display) {
        if let Some(log) = self.exchange.log() {
            let notes = self.exchange.attempts().notes.get_or_init(Box::default);
            let mut notes = lock(notes);
            notes.attempt_failed(number, log.elapsed(), &format!("{number}: {error}"));
        }
    }
}

/// The attempts of one call.
#[derive(Default)]
pub(super) struct Attempts {
    /// 0 if nobody counts them.
    count: AtomicU16,
    notes: OnceLock<Box<Mutex<RpcNotes>>>,
}

impl Attempts {
    /// Writes what was told into the call, which ends.
    pub(super) fn apply(&self, info: &mut RpcInfo) {
        if let Some(notes) = self.notes.get() {
            lock(notes).apply(info);
        }
        let count = self.count.load(Ordering::Relaxed);
        if count > 0 {
            info.attempts = count;
        }
    }
}

/// Whom a connection goes to, and from where: on responses, and on errors.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    pub peer: SocketAddr,
    /// None where whatever sends the call does not say.
    pub local: Option<SocketAddr>,
}

impl Reached {
    /// Writes it into the call.
    pub fn apply(self, info: &mut RpcInfo) {
        info.set_peer(Peer::Socket(self.peer));
        if let Some(local) = self.local {
            info.set_local(Peer::Socket(local));
        }
    }
}
