//! The service test.Echo as grpc-js wants it, with bytes for messages, so that no test needs a protobuf compiler.

"use strict";

const same = (bytes) => bytes;

function method(name, requestStream, responseStream) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

exports.echo = {
  Unary: method("Unary", false, false),
  Download: method("Download", false, true),
  Upload: method("Upload", true, false),
  Chat: method("Chat", true, true),
  Nothing: method("Nothing", false, false),
};
