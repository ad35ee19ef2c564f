//! What happens to one attempt at a call on its way through connection and transport, as far as anybody wants to know.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use hyper_util::client::legacy::connect::CaptureConnection;

use hottap_core::layer::Journal;
use hottap_core::rpc::EventKind;

/// The request is still being sent.
const SENDING: u8 = 0;
/// It has been handed over, and no response is there.
const WAITING: u8 = 1;
/// The response's head is there.
const ANSWERED: u8 = 2;

/// Shared by the attempt and by the body that the transport takes: whichever sees something first writes it down.
pub(super) struct Watch {
    journal: Option<Journal>,
    /// Says when the attempt has a connection; only if events are recorded.
    connection: Option<CaptureConnection>,
    connected: AtomicBool,
    empty: AtomicBool,
    handed_over: AtomicBool,
    state: AtomicU8,
}

impl Watch {
    /// A connection is asked for now.
    pub(super) fn start(journal: Option<Journal>, connection: Option<CaptureConnection>) -> Self {
        let watch = Self {
            journal,
            connection,
            connected: AtomicBool::new(false),
            empty: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            state: AtomicU8::new(SENDING),
        };
        watch.record(EventKind::CLIENT_CONN_START);
        watch
    }

    fn record(&self, kind: EventKind) {
        if let Some(journal) = &self.journal {
            journal.record(kind);
        }
    }

    /// The request has no body: it is handed over with its head.
    pub(super) fn set_empty(&self, empty: bool) {
        self.empty.store(empty, Ordering::Relaxed);
    }

    /// Is there a connection now? It is asked whenever something has moved: by whoever waits for the response, and by the
    /// transport, which asks for the body only where there is one.
    pub(super) fn look(&self) {
        let Some(connection) = &self.connection else { return };
        if self.connected.load(Ordering::Relaxed) || connection.connection_metadata().is_none() {
            return;
        }
        if !self.connected.swap(true, Ordering::AcqRel) {
            self.record(EventKind::CLIENT_CONN_FINISH);
            if self.empty.load(Ordering::Relaxed) {
                self.handed_over();
            }
        }
    }

    /// The transport has the last piece of the request.
    pub(super) fn handed_over(&self) {
        self.handed_over.store(true, Ordering::Release);
        if self.state.compare_exchange(SENDING, WAITING, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.record(EventKind::WAIT_READ_START);
        }
    }

    /// The response's head is there.
    pub(super) fn answered(&self) {
        self.look();
        if self.state.swap(ANSWERED, Ordering::AcqRel) == WAITING {
            self.record(EventKind::WAIT_READ_FINISH);
        }
    }

    /// Nothing of the request is left to be sent.
    pub(super) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Acquire) || self.empty.load(Ordering::Relaxed)
    }
}
