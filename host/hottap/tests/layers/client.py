"""Calls test.Echo with bytes for messages: `ADDRESS WHAT`, where WHAT is calls, deadline, gzip or linger.

With a file of certificates after that it speaks TLS with a server that is called localhost, and believes those alone.
"""

import sys

import grpc

TRACE = (("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)


def calls(channel):
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


def deadline(channel):
    # The time that connecting takes is not part of it.
    grpc.channel_ready_future(channel).result(timeout=20)
    try:
        channel.unary_unary("/test.Echo/Unary")(b"hang", metadata=TRACE, timeout=0.2)
        sys.exit("nobody should have answered")
    except grpc.RpcError as error:
        # The server was told how long it has, too, and tonic's answers CANCELLED if its clock is the first to say so.
        assert error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED), error
    # A server that has not looked at its connection since then would see it closed, and the call never.
    sys.stdin.read()


def gzip(channel):
    words = b"z" * 5_000
    unary = channel.unary_unary("/test.Echo/Unary")
    assert unary(words, metadata=TRACE, compression=grpc.Compression.Gzip) == words
    chat = channel.stream_stream("/test.Echo/Chat")
    answers = chat(iter([words, b"four"]), metadata=TRACE, compression=grpc.Compression.Gzip)
    assert list(answers) == [words, b"four"]


def linger(channel):
    # A stream that goes on when a line comes in.
    def messages():
        yield b"one"
        sys.stdin.readline()
        yield b"two"

    answers = channel.stream_stream("/test.Echo/Chat")(messages(), metadata=TRACE)
    assert next(answers) == b"one"
    print("open", flush=True)
    assert list(answers) == [b"two"]


def connect(address, certificates=None):
    if certificates is None:
        return grpc.insecure_channel(address)
    with open(certificates, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", "localhost")])


address, what, *certificates = sys.argv[1:]
with connect(address, *certificates) as channel:
    {"calls": calls, "deadline": deadline, "gzip": gzip, "linger": linger}[what](channel)

print("done")
