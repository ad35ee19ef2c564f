//! The small enumerations of a call: which side, which protocol, how it streamed, how much is recorded, how it ended.

/// Values with a word for each, in configuration, metrics and JSON.
macro_rules! worded {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $number,)* }

        impl $name {
            /// The word for it in configuration, metrics and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

/// The same, where columns have the numbers.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        worded! { $(#[$meta])* $name { $($(#[$vmeta])* $variant = $number, $text;)* } }

        impl $name {
            /// What a column's number stands for.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

numbered! {
    /// Where a call is observed.
    #[non_exhaustive]
    Side {
        /// By the one who calls.
        Client = 0, "client";
        /// By the one who is called.
        Server = 1, "server";
        /// Inside a process, around a service.
        Endpoint = 2, "endpoint";
    }
}

numbered! {
    /// The RPC protocol.
    #[non_exhaustive]
    Protocol {
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
}

numbered! {
    /// Which sides of a call stream.
    ///
    /// A layer that sees only HTTP bodies knows it from the messages that it counted: more than one message is a stream.
    #[non_exhaustive]
    Streaming {
        /// One message each way.
        Unary = 0, "unary";
        /// Many messages from the client.
        Client = 1, "client";
        /// Many messages from the server.
        Server = 2, "server";
        /// Many messages both ways.
        Both = 3, "both";
        /// Not known: the protocol does not frame messages.
        Unknown = 255, "unknown";
    }
}

numbered! {
    /// What carries a call (Kitex's TransportProtocol).
    #[derive(Default)]
    #[non_exhaustive]
    Transport {
        /// Not known.
        #[default]
        Unknown = 0, "unknown";
        /// HTTP/1.0 or HTTP/1.1.
        Http1 = 1, "http/1.1";
        /// HTTP/2.
        Http2 = 2, "http/2";
        /// HTTP/3.
        Http3 = 3, "http/3";
    }
}

numbered! {
    /// How messages are encoded (Kitex's PayloadCodec).
    #[derive(Default)]
    #[non_exhaustive]
    Codec {
        /// Not known.
        #[default]
        Unknown = 0, "unknown";
        /// Protocol Buffers.
        Protobuf = 1, "protobuf";
        /// JSON.
        Json = 2, "json";
        /// Thrift.
        Thrift = 3, "thrift";
    }
}

numbered! {
    /// How the two sides take turns (Kitex's InteractionMode).
    #[derive(Default)]
    #[non_exhaustive]
    Interaction {
        /// One request, one response.
        #[default]
        PingPong = 0, "ping_pong";
        /// One request, and nobody waits for a response.
        Oneway = 1, "oneway";
        /// Messages in any order.
        Streaming = 2, "streaming";
    }
}

worded! {
    /// How much is recorded of a call (Kitex's stats level).
    #[derive(PartialOrd, Ord, Default)]
    Level {
        /// Start and finish, sizes, status.
        #[default]
        Base = 1, "base";
        /// Every event that the layer can see.
        Detailed = 2, "detailed";
    }
}

numbered! {
    /// How serious an event is.
    #[derive(Default)]
    EventStatus {
        /// Nothing special.
        #[default]
        Info = 1, "info";
        /// Worth a look.
        Warn = 2, "warn";
        /// An error.
        Error = 3, "error";
    }
}

numbered! {
    /// The outcome of a call. [docs/endings.md] has a table of all endings, and which of them count as errors.
    ///
    /// [docs/endings.md]: https://github.com/hottap/hottap/blob/main/docs/endings.md
    #[non_exhaustive]
    Outcome {
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
    /// How many outcomes there are.
    pub const COUNT: usize = 6;
}

impl Side {
    /// How many sides there are.
    pub const COUNT: usize = 3;
}
