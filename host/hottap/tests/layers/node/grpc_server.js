//! Serves test.Echo with grpc-js on a free port, which it prints, until its input ends.

"use strict";

require("./wire.js");
const grpc = require("@grpc/grpc-js");
const { echo } = require("./echo.js");

const server = new grpc.Server();
const { Nothing, ...served } = echo;
server.addService(served, {
  Unary(call, done) {
    const [verb, code, ...words] = call.request.toString().split(" ");
    if (verb === "fail") {
      const trailers = new grpc.Metadata();
      trailers.set("why", "because");
      done({ code: Number(code), details: words.join(" ") }, null, trailers);
    } else if (verb !== "hang") {
      done(null, call.request);
    }
  },
  Download(call) {
    const [count, size, end] = call.request.toString().split(" ");
    for (let i = 0; i < Number(count); i++) call.write(Buffer.alloc(Number(size), "x"));
    if (end === "fail") call.emit("error", { code: grpc.status.DATA_LOSS, details: "in the middle of it" });
    if (end === "end") call.end();
  },
  Upload(call, done) {
    let bytes = 0;
    call.on("data", (message) => (bytes += message.length));
    call.on("end", () => done(null, Buffer.from(String(bytes))));
  },
  Chat(call) {
    call.on("data", (message) => call.write(message));
    call.on("end", () => call.end());
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.resume().on("end", () => server.forceShutdown());
