//! What the small numbers in columns stand for: which side, which protocol, how it streamed, how it ended.

use std::fmt;

use crate::column::element;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, else $other:expr; { $($(#[$vdoc:meta])* $variant:ident = $number:literal, $text:literal;)* }
        $($(#[$odoc:meta])* $unknown:ident => $otext:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            $($(#[$odoc])* $unknown(u8),)?
        }

        impl $name {
            /// The word for it in configuration, metrics and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    $(Self::$unknown(_) => $otext,)?
                }
            }

            /// The number for it in columns.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                    $(Self::$unknown(number) => number,)?
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        element! {
            $name: u8, |raw| match raw {
                $($number => Self::$variant,)*
                raw => $other(raw),
            };
        }
    };
}

words! {
    /// Where a call was observed.
    Side, else Self::Other; {
        /// By the one who calls.
        Client = 0, "client";
        /// By the one who is called.
        Server = 1, "server";
        /// Inside a process, around a service.
        Endpoint = 2, "endpoint";
    }
    /// A number that this version does not know.
    Other => "other"
}

words! {
    /// The RPC protocol.
    Protocol, else Self::Other; {
        /// Plain HTTP.
        Http = 0, "http";
        /// gRPC over HTTP/2.
        Grpc = 1, "grpc";
        /// gRPC-web.
        GrpcWeb = 2, "grpc-web";
        /// Connect.
        Connect = 3, "connect";
        /// Thrift.
        Thrift = 4, "thrift";
        /// None: a call inside the process.
        None = 5, "none";
    }
    /// A number that this version does not know.
    Other => "other"
}

words! {
    /// Which sides of a call stream.
    Streaming, else |_| Self::Unknown; {
        /// One message each way.
        Unary = 0, "unary";
        /// Many messages from the client.
        Client = 1, "client";
        /// Many messages from the server.
        Server = 2, "server";
        /// Many messages both ways.
        Both = 3, "both";
        /// Not known.
        Unknown = 255, "unknown";
    }
}

words! {
    /// The outcome of a call; docs/endings.md has a table of all endings. A number that this version does not know
    /// reads as [`Outcome::Error`].
    Outcome, else |_| Self::Error; {
        /// It succeeded.
        Ok = 0, "ok";
        /// The RPC succeeded, and the application said no.
        BusinessError = 1, "business_error";
        /// It failed.
        Error = 2, "error";
        /// It was dropped before it ended: by a client that wants no more of it, or because the connection broke.
        Cancelled = 3, "cancelled";
        /// Its deadline passed.
        TimedOut = 4, "timed_out";
        /// The handler panicked.
        Panicked = 5, "panicked";
    }
}

impl Outcome {
    /// True if the RPC itself did not succeed; a business error is not a failure of the RPC. This is no error rate: which
    /// calls count as errors depends on side and protocol, see [`failure`](crate::conventions::failure).
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::BusinessError)
    }
}

words! {
    /// Whether a row is a call or one attempt of it.
    Kind, else Self::Other; {
        /// A call.
        Call = 0, "call";
        /// One attempt of a call; handed over only if [`Config::attempts`](crate::Config::attempts) asked for it.
        Attempt = 1, "attempt";
    }
    /// A number that this version does not know.
    Other => "other"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Element;

    #[test]
    fn numbers_read_as_the_contract_says() {
        for (number, side, protocol, outcome, streaming) in [
            (0, "client", "http", "ok", "unary"),
            (1, "server", "grpc", "business_error", "client"),
            (2, "endpoint", "grpc-web", "error", "server"),
            (3, "other", "connect", "cancelled", "both"),
            (4, "other", "thrift", "timed_out", "unknown"),
            (5, "other", "none", "panicked", "unknown"),
            (6, "other", "other", "error", "unknown"),
        ] {
            assert_eq!(Side::from_raw(number).as_str(), side, "side {number}");
            assert_eq!(Protocol::from_raw(number).as_str(), protocol, "protocol {number}");
            assert_eq!(Outcome::from_raw(number).as_str(), outcome, "outcome {number}");
            assert_eq!(Streaming::from_raw(number).as_str(), streaming, "streaming {number}");
        }
    }

    #[test]
    fn an_unknown_number_is_a_value_and_not_a_panic() {
        assert_eq!(Side::from_raw(200), Side::Other(200));
        assert_eq!(Side::Other(200).number(), 200);
        assert_eq!(Outcome::from_raw(200), Outcome::Error);
        assert_eq!(Streaming::from_raw(200), Streaming::Unknown);
        assert_eq!(Kind::from_raw(7), Kind::Other(7));
    }
}
