//! What an error of an inner service or of a body says about the call: how it ended, and in which words.

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ClientError;
use crate::rpc::{MAX_MESSAGE_BYTES, Outcome, Symbol, cut};

/// Errors looked at in a chain of causes.
const MAX_CAUSES: usize = 8;

/// How a call failed.
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    pub(crate) error_type: Symbol,
    pub(crate) text: String,
    /// Whom the call had reached when it failed, if that is known.
    pub(crate) reached: Option<super::Reached>,
    /// There was no connection, so nothing of the request was sent.
    #[cfg(feature = "reqwest")]
    pub(crate) unsent: bool,
}

impl Failure {
    pub(super) fn new(outcome: Outcome, error_type: Symbol, text: String) -> Self {
        Self {
            outcome,
            error_type,
            text,
            reached: None,
            #[cfg(feature = "reqwest")]
            unsent: false,
        }
    }

    /// Reads an error; `error_type` is what it is unless it is of a more telling type.
    ///
    /// Causes are known only of types that stand here by name: services are not asked for more than `Display`, so that
    /// the layers fit around every one of them. An error that panics when it is shown is told as far as it came: the panic
    /// is not the call's, which goes on with the error that it had.
    pub(crate) fn of<E: fmt::Display + 'static>(error: &E, error_type: Symbol) -> Self {
        #[cfg(feature = "reqwest")]
        if let Some(failure) = super::reqwest::told(error, error_type) {
            return failure;
        }
        let mut failure = Self::new(Outcome::Error, error_type, String::new());
        let mut text = Bounded(String::new());
        // A panic leaves words that were cut, and nothing else half done.
        let _ = catch_unwind(AssertUnwindSafe(|| match as_error(error) {
            None => _ = write!(text, "{error}"),
            Some(error) => {
                let causes = std::iter::successors(Some(error), |&error| cause_of(error)).take(MAX_CAUSES);
                for cause in causes {
                    failure.learn_of_runtime(cause);
                    failure.learn(cause);
                    let separator = if text.0.is_empty() { "" } else { ": " };
                    let _ = write!(text, "{separator}{}", Words(cause));
                }
            }
        }));
        failure.text = text.0;
        failure
    }

    /// The client runtime knows what happened. What an error of the body was is what it is, wherever it happened.
    fn learn_of_runtime(&mut self, cause: &(dyn Error + 'static)) {
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            self.outcome = error.outcome();
            self.reached = error.reached();
            if let Some(error_type) = error.error_type() {
                self.error_type = error_type;
            }
        }
    }

    #[cfg(feature = "tonic")]
    fn learn(&mut self, cause: &(dyn Error + 'static)) {
        use super::protocol::grpc;
        use crate::rpc::error_type;

        const DEADLINE_EXCEEDED: u16 = 4;
        let code = if cause.is::<tonic::TimeoutExpired>() {
            DEADLINE_EXCEEDED
        } else if let Some(status) = cause.downcast_ref::<tonic::Status>() {
            u16::try_from(i32::from(status.code())).unwrap_or(grpc::UNKNOWN)
        } else {
            return;
        };
        let outcome = grpc::outcome(code);
        if matches!(outcome, Outcome::Cancelled | Outcome::TimedOut) {
            (self.outcome, self.error_type) = (outcome, error_type::grpc(code));
        }
    }

    #[cfg(not(feature = "tonic"))]
    #[expect(clippy::unused_self, reason = "without tonic no cause tells more than its words")]
    fn learn(&mut self, _cause: &(dyn Error + 'static)) {}
}

fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.cause();
    }
    error.source()
}

fn as_error(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return Some(&**error);
    }
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return Some(error);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return Some(error);
    }
    #[cfg(feature = "axum")]
    if let Some(error) = error.downcast_ref::<axum::Error>() {
        return Some(error);
    }
    #[cfg(feature = "tonic")]
    {
        if let Some(error) = error.downcast_ref::<tonic::transport::Error>() {
            return Some(error);
        }
        if let Some(error) = error.downcast_ref::<tonic::Status>() {
            return Some(error);
        }
    }
    None
}

/// An error in words. tonic's status shows its metadata, which may hold anything: only its message is taken.
struct Words<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "tonic")]
        if let Some(status) = self.0.downcast_ref::<tonic::Status>() {
            return f.write_str(status.message());
        }
        fmt::Display::fmt(self.0, f)
    }
}

/// Takes text up to the bound and then refuses more, so that an error that prints without end does not.
pub(super) struct Bounded(pub(super) String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let kept = cut(text, MAX_MESSAGE_BYTES - self.0.len().min(MAX_MESSAGE_BYTES));
        self.0.push_str(kept);
        if kept.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::error_type;

    #[test]
    fn causes_are_told_and_the_words_are_bounded() {
        let cause = std::io::Error::other("the disk is full");
        let error = std::io::Error::other(cause);
        let boxed: Box<dyn Error + Send + Sync> = Box::new(error);
        let failure = Failure::of(&boxed, error_type::TRANSPORT);
        assert!(failure.text.starts_with("the disk is full"), "{}", failure.text);
        assert_eq!((failure.outcome, failure.error_type), (Outcome::Error, error_type::TRANSPORT));
        assert_eq!(Failure::of(&"é".repeat(9_000), error_type::BODY).text.len(), MAX_MESSAGE_BYTES);
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn a_timeout_of_tonic_is_a_timeout() {
        let boxed: Box<dyn Error + Send + Sync> = Box::new(tonic::TimeoutExpired(()));
        let failure = Failure::of(&boxed, error_type::TRANSPORT);
        assert_eq!((failure.outcome, failure.error_type.as_str()), (Outcome::TimedOut, "DEADLINE_EXCEEDED"));
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn the_metadata_of_a_status_is_not_told() {
        let mut status = tonic::Status::internal("it broke");
        status.metadata_mut().insert("x-secret", "hunter2".parse().expect("ASCII"));
        let failure = Failure::of(&status, error_type::BODY);
        assert_eq!((failure.outcome, failure.text.as_str()), (Outcome::Error, "it broke"));
    }
    /// An error that breaks while it is shown.
    #[derive(Debug)]
    struct Unspeakable;

    impl fmt::Display for Unspeakable {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("it began well")?;
            panic!("no words")
        }
    }

    impl Error for Unspeakable {}

    #[test]
    fn an_error_that_panics_when_shown_is_an_error_all_the_same() {
        let failure = Failure::of(&Unspeakable, error_type::BODY);
        assert_eq!((failure.outcome, failure.error_type), (Outcome::Error, error_type::BODY));
        assert_eq!(failure.text, "it began well");
        let boxed: Box<dyn Error + Send + Sync> = Box::new(std::io::Error::other(Unspeakable));
        assert_eq!(Failure::of(&boxed, error_type::TRANSPORT).text, "it began well");
    }
}
