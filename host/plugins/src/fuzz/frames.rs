//! Bodies in the framing of gRPC, gRPC-web and Connect, and what follows them.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::bytes::{Bytes, headers};
use hottap_core::layer::{End, Reader, Wire, grpc_message, grpc_status};

/// Whatever a body of gRPC or gRPC-web holds, it reads the same however it is cut; and so do trailers.
pub fn grpc_frames(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let how = bytes.byte();
    if how & 0x40 != 0 {
        let trailers = headers(bytes.rest());
        let message = grpc_message(&trailers);
        assert!(message.len() <= hottap_core::rpc::MAX_MESSAGE_BYTES * 4, "{} bytes of a message", message.len());
        assert!(grpc_status(&trailers).is_none_or(|status| status <= 16), "{trailers:?}");
        return;
    }
    let wire = [Wire::Grpc, Wire::GrpcWeb, Wire::GrpcWebText][usize::from(how % 3)];
    read(wire, how, StatusCode::OK, bytes);
}

/// The same for Connect's streams, and for its errors.
pub fn connect_frames(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let how = bytes.byte();
    let (wire, status) = match how % 3 {
        0 => (Wire::ConnectStream, StatusCode::OK),
        1 => (Wire::ConnectUnary, StatusCode::NOT_FOUND),
        _ => (Wire::ConnectUnary, StatusCode::OK),
    };
    read(wire, how, status, bytes);
}

/// Reads a body whole, byte by byte and in two pieces.
fn read(wire: Wire, how: u8, status: StatusCode, mut bytes: Bytes<'_>) {
    let cut = usize::from(bytes.byte()) * 4;
    let body = bytes.rest();
    let mut head = HeaderMap::new();
    if how & 0x10 != 0 {
        let gzip = HeaderValue::from_static("gzip");
        for name in ["grpc-encoding", "connect-content-encoding"] {
            head.insert(HeaderName::from_static(name), gzip.clone());
        }
        if wire == Wire::ConnectUnary {
            head.insert(CONTENT_ENCODING, gzip);
        }
    }
    if wire == Wire::ConnectUnary {
        head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let reader = || if how & 0x20 != 0 { Reader::of_request(wire) } else { Reader::of_response(wire, status, &head) };
    let whole = outcome(reader(), [body]);
    assert_eq!(outcome(reader(), body.chunks(1)), whole, "{wire:?}, byte by byte");
    let (first, rest) = body.split_at(cut.min(body.len()));
    assert_eq!(outcome(reader(), [first, rest]), whole, "{wire:?}, cut at {cut}");
    let (sizes, ..) = whole;
    assert!(sizes.iter().sum::<u64>() <= body.len() as u64, "{wire:?}: messages of {sizes:?} bytes");
}

/// The sizes of the messages, the end of the call, and what the reader makes of the body at its end.
fn outcome<'b>(mut reader: Reader, pieces: impl IntoIterator<Item = &'b [u8]>) -> (Vec<u64>, End, [bool; 3]) {
    let mut sizes = Vec::new();
    for piece in pieces {
        reader.feed(piece, &mut |size| sizes.push(size));
    }
    (sizes, reader.end(), [reader.is_malformed(), reader.is_inside(), reader.has_ended()])
}
