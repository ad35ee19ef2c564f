"""Serves test.Echo on a free port, which it prints, with bytes for messages, until its input ends."""

import sys
from concurrent import futures

import grpc


def unary(request, context):
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
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(0)
