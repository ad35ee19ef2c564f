//! Lines in the host's log, marked with the tracer's name.
//!
//! A line appears when the flush that it belongs to is committed; one that was written in [`Tracer::new`] when the
//! tracer goes live. The host escapes control characters, line separators and marks of direction, cuts what has more
//! than 4 KiB then, and drops and counts what is beyond the tracer's rate.
//!
//! ```
//! use hottap_guest::log;
//!
//! let (method, seconds) = ("shop.v1.Checkout/Place", 3);
//! log::warn(format_args!("{method} took {seconds} s"));
//! ```
//!
//! [`Tracer::new`]: crate::Tracer::new

use std::fmt;

use crate::host;

/// How severe a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For who debugs the tracer itself.
    Trace,
    /// Details.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is wrong and the tracer works on.
    Warn,
    /// Something is wrong and needs the operator.
    Error,
}

/// Writes a line.
pub fn write(severity: Severity, message: impl fmt::Display) {
    let number = match severity {
        Severity::Trace => 1,
        Severity::Debug => 2,
        Severity::Info => 3,
        Severity::Warn => 4,
        Severity::Error => 5,
    };
    host::log(number, &message.to_string());
}

/// Writes a line of [`Severity::Trace`].
pub fn trace(message: impl fmt::Display) {
    write(Severity::Trace, message);
}

/// Writes a line of [`Severity::Debug`].
pub fn debug(message: impl fmt::Display) {
    write(Severity::Debug, message);
}

/// Writes a line of [`Severity::Info`].
pub fn info(message: impl fmt::Display) {
    write(Severity::Info, message);
}

/// Writes a line of [`Severity::Warn`].
pub fn warn(message: impl fmt::Display) {
    write(Severity::Warn, message);
}

/// Writes a line of [`Severity::Error`].
pub fn error(message: impl fmt::Display) {
    write(Severity::Error, message);
}
