//! What becomes of the application's own status, where the RPC itself succeeded.

/// What a span or a metric says of a business status that is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusinessErrors {
    /// Nothing.
    Ignore,
    /// The attributes `rpc.business_status` and `rpc.business_message`.
    #[default]
    Attribute,
    /// The same, and the call is an error: the span's status says so, and `error.type` is `business_error`.
    Error,
}
