//! What passes through Node's own HTTP, stream by stream, printed as one line of JSON when it has ended. It knows
//! nothing of the library that sends and reads it, except that gRPC, gRPC-web and Connect put five bytes before each
//! message: a flag and a length.

"use strict";

const http = require("node:http");
const http2 = require("node:http2");
const stream = require("node:stream");

/** How many calls are watched that have not ended. */
let open = 0;
let idle = () => {};

/** Resolves when every call that is watched has ended, and so has been printed. */
exports.idle = () => new Promise((resolve) => (open === 0 ? resolve() : (idle = resolve)));

/** The counters of each stream that is watched: one for what is written to it, one for what it yields. */
const written = new WeakMap();
const yielded = new WeakMap();

class Counter {
  bytes = 0;
  /** Flag and length of each message, as their prefixes tell. */
  messages = [];
  #rest = Buffer.alloc(0);
  /** Bytes that are still to come of the current message. */
  #left = 0;

  constructor(framed) {
    this.framed = framed;
  }

  add(chunk, encoding) {
    if (chunk === undefined || chunk === null || typeof chunk === "function") return;
    let bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk);
    this.bytes += bytes.length;
    if (!this.framed) return;
    bytes = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const here = Math.min(this.#left, bytes.length);
      this.#left -= here;
      bytes = bytes.subarray(here);
      if (this.#left > 0 || bytes.length < 5) break;
      this.#left = bytes.readUInt32BE(1);
      this.messages.push([bytes[0], this.#left]);
      bytes = bytes.subarray(5);
    }
    this.#rest = bytes;
  }

  toJSON() {
    return { bytes: this.bytes, messages: this.messages };
  }
}

/** Of one call: `head` is the request's headers, `answer` the response's, trailers with them. */
function watch(head, path) {
  const type = String(head["content-type"] ?? "");
  const framed = /^application\/(grpc|connect\+)/.test(type);
  const answer = {};
  const call = { path, type, head, answer, requested: new Counter(framed), responded: new Counter(framed) };
  open += 1;
  const close = () => {
    console.log(JSON.stringify(call));
    open -= 1;
    if (open === 0) idle();
  };
  return { call, close };
}

/** Lower-case names, without those that are symbols. */
function plain(headers) {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

function wrap(object, name, before) {
  const original = object[name];
  object[name] = function (...values) {
    before.call(this, ...values);
    return original.apply(this, values);
  };
}

for (const prototype of [stream.Duplex.prototype, http.OutgoingMessage.prototype]) {
  for (const name of ["write", "end"]) {
    wrap(prototype, name, function (chunk, encoding) {
      written.get(this)?.add(chunk, encoding);
    });
  }
}
wrap(stream.Readable.prototype, "push", function (chunk, encoding) {
  yielded.get(this)?.add(chunk, encoding);
});

/** Watches every stream of HTTP/2 that this process serves. */
const createServer2 = http2.createServer;
http2.createServer = (...values) => {
  const server = createServer2(...values);
  server.prependListener("stream", (stream, headers) => {
    const { call, close } = watch(plain(headers), headers[":path"]);
    yielded.set(stream, call.requested);
    written.set(stream, call.responded);
    wrap(stream, "respond", (headers) => Object.assign(call.answer, plain(headers)));
    wrap(stream, "sendTrailers", (headers) => Object.assign(call.answer, plain(headers)));
    stream.once("close", close);
  });
  return server;
};

/** Watches every stream of HTTP/2 that this process opens. */
const connect2 = http2.connect;
http2.connect = (...values) => {
  const session = connect2(...values);
  const request = session.request;
  session.request = function (headers, options) {
    const stream = request.call(this, headers, options);
    const { call, close } = watch(plain(headers), headers[":path"]);
    written.set(stream, call.requested);
    yielded.set(stream, call.responded);
    stream.once("response", (headers) => Object.assign(call.answer, plain(headers)));
    stream.once("trailers", (headers) => Object.assign(call.answer, plain(headers)));
    stream.once("close", close);
    return stream;
  };
  return session;
};

/** Watches every request of HTTP/1.1 that this process serves. */
const createServer1 = http.createServer;
http.createServer = (...values) => {
  const server = createServer1(...values);
  server.prependListener("request", (request, response) => {
    const { call, close } = watch(request.headers, request.url);
    yielded.set(request, call.requested);
    written.set(response, call.responded);
    response.once("close", () => {
      call.answer[":status"] = response.statusCode;
      close();
    });
  });
  return server;
};

/** Watches every request of HTTP/1.1 that this process sends. */
const request1 = http.request;
http.request = (...values) => {
  const request = request1(...values);
  const { call, close } = watch(plain(request.getHeaders()), request.path);
  written.set(request, call.requested);
  request.prependOnceListener("response", (response) => {
    Object.assign(call.answer, { ":status": response.statusCode }, response.headers);
    yielded.set(response, call.responded);
  });
  request.once("close", close);
  return request;
};
