//! gRPC-web's own part: trailers in the last frame of a body
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>). Names, deadlines and statuses are gRPC's.

use super::{End, grpc};

/// The flag of the frame that holds the trailers.
pub(super) const TRAILERS: u8 = 0x80;

/// What the trailers in a frame say; they are lines as in HTTP/1. Of statuses that contradict each other the failure
/// counts.
pub(super) fn trailers(block: &[u8]) -> End {
    let (mut status, mut message) = (None, None);
    for line in block.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(grpc::STATUS.as_bytes()) {
            status = grpc::worse(status, grpc::code(value));
        } else if name.eq_ignore_ascii_case(grpc::MESSAGE.as_bytes()) {
            message = message.or(Some(value));
        }
    }
    match status {
        Some(0) => End::Status(0, String::new()),
        Some(status) => End::Status(status, message.map_or_else(String::new, grpc::percent_decode)),
        None if block.is_empty() => End::Untold,
        // Lines without a status are some other protocol's, or bytes that only look like a frame.
        None => End::Garbage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_the_frame_with_the_trailers() {
        for (block, expected, reason) in [
            (&b"grpc-status: 0\r\n"[..], Some((0, "")), "success"),
            (b"grpc-status:5\r\ngrpc-message:no%20such\r\n", Some((5, "no such")), "no blanks"),
            (b"Grpc-Message: x\r\nGrpc-Status: 13\r\n", Some((13, "x")), "letters of any case"),
            (b"grpc-status: 7", Some((7, "")), "no end of line"),
            (b"grpc-status: 7\ngrpc-message: a: b\n", Some((7, "a: b")), "a colon in the words"),
            (b"grpc-status: 0\r\ngrpc-status: 9\r\n", Some((9, "")), "a contradiction"),
            (b"grpc-status: 9\r\ngrpc-status: 0\r\n", Some((9, "")), "a contradiction"),
            (b"grpc-status: seven\r\n", Some((2, "")), "no number"),
            (b"grpc-status: 3\r\ngrpc-message: \xff\r\n", Some((3, "\u{fffd}")), "no UTF-8"),
            (b"", None, "nothing"),
        ] {
            let told = match trailers(block) {
                End::Status(code, message) => Some((code, message)),
                End::Untold => None,
                other => panic!("{reason}: {other:?}"),
            };
            assert_eq!(told, expected.map(|(code, message)| (code, message.to_owned())), "{reason}");
        }
        for garbage in [&b"x-other: 1\r\n"[..], b"\0\0\0", b"grpc-status"] {
            assert!(matches!(trailers(garbage), End::Garbage), "{garbage:?}");
        }
    }
}
