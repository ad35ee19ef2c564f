"""Rate, errors and duration of RPCs and HTTP requests, as plugins/red-metrics counts them, written in Python.

It is no faster way to the same numbers: it shows how a tracer is written in Python, and copies well.
"""

from bisect import bisect_right
from collections import defaultdict, deque

from wit_world import exports
from wit_world.imports import metrics, rpc

# OpenTelemetry's bounds for durations, in seconds, and in the nanoseconds that calls are measured in.
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
BOUNDS_NS = [round(bound * 1e9) for bound in BOUNDS]
NS_PER_SECOND = 1e9

RPC_LABELS = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"]
HTTP_LABELS = ["http.request.method", "http.route", "http.response.status_code", "error.type"]
ENDPOINT_LABELS = ["endpoint.method", "error.type"]

# The numbers in columns; wit/tracer.wit tells what they stand for.
CLIENT, SERVER = 0, 1
HTTP, GRPC, GRPC_WEB, CONNECT, THRIFT = range(5)
NONE, OK = 65535, 0

SYSTEMS = {GRPC: "grpc", GRPC_WEB: "grpc", CONNECT: "connectrpc", THRIFT: "thrift"}
STATUSES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip

# gRPC's statuses that say that the server failed; the others say that the caller asked for something it should not.
SERVER_FAILED = {2, 4, 12, 13, 14, 15}

# Ids of series are asked for again after this long. The host forgets a series an hour after its last value.
ASK_AGAIN_NS = 300 * 1_000_000_000
# Symbols asked for in one call; an answer has to stay below 1 MiB, and a symbol has at most 256 bytes.
ASK = 1024


class RedMetrics:
    """What lasts from call to call."""

    def __init__(self):
        define = metrics.histogram
        self.rpc = {
            CLIENT: define("rpc.client.call.duration", "s", "Duration of RPCs that were made.", RPC_LABELS, BOUNDS),
            SERVER: define("rpc.server.call.duration", "s", "Duration of RPCs that were served.", RPC_LABELS, BOUNDS),
        }
        self.http = {
            CLIENT: define("http.client.request.duration", "s", "Duration of HTTP requests made.", HTTP_LABELS, BOUNDS),
            SERVER: define("http.server.request.duration", "s", "Duration of HTTP requests served.", HTTP_LABELS, BOUNDS),
        }
        self.endpoint = define("endpoint.call.duration", "s", "Duration of calls inside the process.", ENDPOINT_LABELS, BOUNDS)
        # Durations since the last flush, by all that makes a series.
        self.durations = defaultdict(list)
        self.series = {}
        self.texts = {}
        self.asked_at = 0

    def finish(self, calls):
        """The hot path: whole columns, and no line of Python per call. Everything else waits for the flush."""
        protocols = calls.protocols()
        statuses = calls.rpc_statuses()
        if HTTP in protocols:
            both = zip(protocols, calls.http_statuses(), statuses)
            statuses = [http if protocol == HTTP else rpc for protocol, http, rpc in both]
        keys = zip(calls.sides(), calls.methods(), protocols, statuses, calls.error_types())
        lists = map(self.durations.__getitem__, keys)
        # What a deque without room is for: it runs the loop. A `for` would take three times as long.
        deque(map(list.append, lists, calls.durations()), maxlen=0)

    def flush(self, now):
        """One merge per series, with its calls counted by bucket."""
        if now - self.asked_at > ASK_AGAIN_NS:
            self.series.clear()
            self.asked_at = now
        durations = self.durations
        self.learn({symbol for _, method, _, _, error in durations for symbol in (method, error)})

        # Different keys can be one series: gRPC-web is gRPC.
        by_series = defaultdict(list)
        for key, some in durations.items():
            by_series[self.series_of(key)] += some
        for series, some in by_series.items():
            metrics.merge(series, count(some), sum(some) / NS_PER_SECOND)
        durations.clear()

    def learn(self, symbols):
        """Asks for the texts of symbols that are new; a symbol stays the same text for as long as the host lives."""
        new = [symbol for symbol in symbols if symbol not in self.texts]
        for start in range(0, len(new), ASK):
            some = new[start : start + ASK]
            self.texts.update(zip(some, rpc.symbols(some)))

    def series_of(self, key):
        """The host's id for the series that calls with this key belong to."""
        if key not in self.series:
            self.series[key] = metrics.series_of(*self.labels(*key))
        return self.series[key]

    def labels(self, side, method, protocol, status, error):
        """The instrument, and a value for each of its labels."""
        method, error = self.texts[method], failure(side, protocol, status, self.texts[error])
        if side not in (CLIENT, SERVER):
            return self.endpoint, [method, error]
        if protocol == HTTP:
            verb, _, route = method.partition(" ")
            return self.http[side], [verb, route, "" if status == NONE else str(status), error]
        return self.rpc[side], [SYSTEMS.get(protocol, "_OTHER"), method, status_name(protocol, status), error]


def failure(side, protocol, status, error):
    """The type of an error that is one to OpenTelemetry's conventions, which depends on the side; else nothing."""
    if error == "cancelled":
        # An HTTP server that does not get its response out has failed, and a client whose RPC ended without OK.
        failed = side == SERVER if protocol == HTTP else side != SERVER and status != OK
        return error if failed else ""
    asked_wrong = side == SERVER and protocol != HTTP and status not in (NONE, OK, *SERVER_FAILED)
    return "" if asked_wrong and error != "panic" else error


def count(durations):
    """How many durations fall into each bucket; the bounds belong to the bucket below them."""
    durations.sort()
    ends = [bisect_right(durations, bound) for bound in BOUNDS_NS] + [len(durations)]
    return [end - start for start, end in zip([0] + ends, ends)]


def status_name(protocol, code):
    """A status as its protocol writes it; "" if there was none."""
    if code == NONE:
        return ""
    if protocol in (GRPC, GRPC_WEB):
        return STATUSES[code] if code < len(STATUSES) else "UNKNOWN"
    if protocol == CONNECT:
        # The same codes in lower case, one spelled otherwise, and none for success.
        names = {0: "", 1: "canceled"}
        return names.get(code, STATUSES[code].lower() if code < len(STATUSES) else "unknown")
    return str(code)


# componentize-py makes a new `Tracer` for each call from the host, so what has to last belongs to the module. It runs
# the module's top level while the component is built, where there is no host to ask: hence not before `init`.
tracer = None


class Tracer(exports.Tracer):
    """What the host calls; wit/tracer.wit says when. An exception ends the instance, and a new one takes over."""

    def init(self, role, config, identity, now):
        global tracer
        tracer = RedMetrics()

    def finish(self, calls):
        tracer.finish(calls)

    def flush(self, cause, now, elapsed):
        tracer.flush(now)
