//! What is called, and how, and what the application itself says came of it.

use super::{MAX_MESSAGE_BYTES, Method, Protocol, Streaming, Tags, cut};

/// What is called, and how (Kitex's Invocation).
#[derive(Clone, Debug)]
pub struct Invocation {
    #[doc(hidden)]
    pub method: Method,
    #[doc(hidden)]
    pub protocol: Protocol,
    pub(crate) streaming: Streaming,
    pub(crate) business_status: i32,
    pub(crate) sequence_id: i32,
    pub(crate) business_message: Option<Box<str>>,
    pub(crate) business_extra: Tags,
    pub(crate) extra: Tags,
}

impl Invocation {
    pub(super) fn new(method: Method, protocol: Protocol) -> Self {
        Self {
            method,
            protocol,
            streaming: Streaming::Unknown,
            business_status: 0,
            sequence_id: 0,
            business_message: None,
            business_extra: Tags::default(),
            extra: Tags::default(),
        }
    }

    /// The method: `package.Service/Method` or `GET /route`; it knows its package and service.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Which sides stream; known once the call has finished.
    #[must_use]
    pub fn streaming(&self) -> Streaming {
        self.streaming
    }

    /// The status that the application gave itself; 0 is success or none.
    #[must_use]
    pub fn business_status(&self) -> i32 {
        self.business_status
    }

    /// The words that go with the business status; "" if there are none. At most 1 KiB is kept.
    #[must_use]
    pub fn business_message(&self) -> &str {
        self.business_message.as_deref().unwrap_or("")
    }

    /// What goes with the business status beside its words.
    #[must_use]
    pub fn business_extra(&self) -> &Tags {
        &self.business_extra
    }

    /// The number that the protocol gave the call on its connection (Thrift's sequence id); 0 for protocols without one.
    #[must_use]
    pub fn sequence_id(&self) -> i32 {
        self.sequence_id
    }

    /// What the RPC runtime has to say beside.
    #[must_use]
    pub fn extra(&self) -> &Tags {
        &self.extra
    }

    pub(crate) fn set_business(&mut self, status: i32, message: &str) {
        self.business_status = status;
        let message = cut(message, MAX_MESSAGE_BYTES);
        self.business_message = (!message.is_empty()).then(|| message.into());
    }
}
