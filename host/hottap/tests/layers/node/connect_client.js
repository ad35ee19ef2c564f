//! Calls test.Echo with connect-node: `ADDRESS PROTOCOL FORMAT HTTP`, where PROTOCOL is connect, grpc-web, grpc or get
//! (Connect, unary calls as GET), FORMAT is json or proto, and HTTP is 1.1 or 2.
//!
//! The server gives unary calls, and each message of a chat, back; it answers a download with three times its message
//! and an upload with its last one. What begins with "fail" fails: a download after its first message.

"use strict";

const { idle } = require("./wire.js");
const assert = require("node:assert/strict");
const { Code, createClient } = require("@connectrpc/connect");
const { createConnectTransport, createGrpcTransport, createGrpcWebTransport } = require("@connectrpc/connect-node");
const { Echo } = require("./schema.js");

const [address, protocol, format, httpVersion] = process.argv.slice(2);
const create = { "grpc-web": createGrpcWebTransport, grpc: createGrpcTransport }[protocol] ?? createConnectTransport;
const transport = create({
  baseUrl: `http://${address}`,
  useBinaryFormat: format === "proto",
  useHttpGet: protocol === "get",
  httpVersion,
});
const client = createClient(Echo, transport);
const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };

async function* sent(texts) {
  for (const text of texts) yield { text };
}

async function texts(messages) {
  const got = [];
  for await (const { text } of messages) got.push(text);
  return got;
}

async function main() {
  const messages = ["four", "", "five5", "y".repeat(10_000)];
  assert.equal((await client.unary({ text: "hello é" }, { headers })).text, "hello é");
  assert.equal((await client.unary({ text: "" }, { headers })).text, "");
  await assert.rejects(client.unary({ text: "fail" }, { headers }), { code: Code.NotFound, rawMessage: "no such é" });
  assert.deepEqual(await texts(client.download({ text: "abc" }, { headers })), ["abc", "abc", "abc"]);
  const failure = { code: Code.DataLoss, rawMessage: "in the middle of it" };
  await assert.rejects(texts(client.download({ text: "fail" }, { headers })), failure);
  assert.equal((await client.upload(sent(messages), { headers })).text, messages[3]);
  // HTTP/1.1 cannot send and receive at once.
  if (httpVersion === "2") assert.deepEqual(await texts(client.chat(sent(messages), { headers })), messages);
  await idle();
}

// Connections are kept open for more calls; there are none.
main().then(() => process.exit());
