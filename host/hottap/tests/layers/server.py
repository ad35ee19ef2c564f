"""Serves test.Echo on a free port, which it prints, with bytes for messages, until its input ends.

With the files of a key and its certificate it speaks TLS.
"""

import sys
from concurrent import futures

import grpc


seen = 0


def unary(request, context):
    global seen
    if request.startswith(b"busy "):
        # UNAVAILABLE so many times.
        seen += 1
        print(dict(context.invocation_metadata()).get("grpc-previous-rpc-attempts"), flush=True)
        if seen <= int(request[5:]):
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        return request
    if request == b"fail":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: é")
    print(dict(context.invocation_metadata()).get("traceparent"), flush=True)
    return request


def download(request, context):
    for _ in range(int(request)):
        yield b"abc"


def upload(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def chat(requests, context):
    yield from requests


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Download": grpc.unary_stream_rpc_method_handler(download),
    "Upload": grpc.stream_unary_rpc_method_handler(upload),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", METHODS),))
if len(sys.argv) > 1:
    pair = tuple(open(path, "rb").read() for path in sys.argv[1:3])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
else:
    port = server.add_insecure_port("127.0.0.1:0")
print(port, flush=True)
server.start()
sys.stdin.read()
server.stop(0)
