"""Calls every kind of method of test.Echo, with bytes for messages."""

import sys

import grpc

TRACE = (("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)

with grpc.insecure_channel(sys.argv[1]) as channel:
    unary = channel.unary_unary("/test.Echo/Unary")
    assert unary(b"echo hello", metadata=TRACE, timeout=20) == b"echo hello"

    try:
        unary(b"fail 5 no such b", metadata=TRACE)
        sys.exit("it should have failed")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error

    download = channel.unary_stream("/test.Echo/Download")
    assert list(download(b"3 7 end", metadata=TRACE)) == [b"x" * 7] * 3

    messages = [b"four", b"five", b"six6"]
    upload = channel.stream_unary("/test.Echo/Upload")
    assert upload(iter(messages), metadata=TRACE) == b"12"

    chat = channel.stream_stream("/test.Echo/Chat")
    assert list(chat(iter(messages), metadata=TRACE)) == messages

    hanging = download(b"1 7 hang", metadata=TRACE)
    assert next(hanging) == b"x" * 7
    hanging.cancel()

print("done")
