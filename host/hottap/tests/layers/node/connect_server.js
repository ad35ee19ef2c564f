//! Serves test.Echo with connect-node as Connect, gRPC-web and gRPC: over HTTP/2 and over HTTP/1.1, each on a free port;
//! the ports are printed in one line. It ends with its input.

"use strict";

require("./wire.js");
const http = require("node:http");
const http2 = require("node:http2");
const { ConnectError } = require("@connectrpc/connect");
const { connectNodeAdapter } = require("@connectrpc/connect-node");
const { Echo } = require("./schema.js");

function check(text) {
  const [verb, code, ...words] = text.split(" ");
  if (verb === "fail") throw new ConnectError(words.join(" "), Number(code));
}

const handler = connectNodeAdapter({
  routes(router) {
    router.service(Echo, {
      unary({ text }, context) {
        check(text);
        context.responseTrailer.set("why", "because");
        return { text };
      },
      async *download({ text }) {
        const [count, size, ...end] = text.split(" ");
        for (let i = 0; i < Number(count); i++) yield { text: "x".repeat(Number(size)) };
        check(end.join(" "));
      },
      async upload(messages) {
        let length = 0;
        for await (const { text } of messages) length += text.length;
        return { text: String(length) };
      },
      async *chat(messages) {
        for await (const { text } of messages) {
          check(text);
          yield { text };
        }
      },
    });
  },
});

const servers = [http2.createServer(handler), http.createServer(handler)];
const listening = servers.map((server) => {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
});
Promise.all(listening).then((ports) => console.log(ports.join(" ")));
process.stdin.resume().on("end", () => process.exit());
