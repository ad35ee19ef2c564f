//! Calls every kind of method of test.Echo with grpc-js: `ADDRESS WHAT`, where WHAT is calls, gzip, cancel or deadline.

"use strict";

require("./wire.js");
const assert = require("node:assert/strict");
const grpc = require("@grpc/grpc-js");
const { echo } = require("./echo.js");

const [address, what] = process.argv.slice(2);
const Client = grpc.makeGenericClientConstructor(echo, "test.Echo");
const options = what === "gzip" ? { "grpc.default_compression_algorithm": 2 } : {};
const client = new Client(address, grpc.credentials.createInsecure(), options);

const headers = new grpc.Metadata();
headers.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
headers.set("x-tenant", "blue");

/** The answer to one message, or to several. */
function answer(method, ...messages) {
  return new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer.toString()));
    if (!echo[method].requestStream) return client[method](Buffer.from(messages[0]), headers, done);
    const call = client[method](headers, done);
    for (const message of messages) call.write(Buffer.from(message));
    call.end();
  });
}

/** All answers to one message, or to several. */
async function answers(method, ...messages) {
  const single = !echo[method].requestStream;
  const call = single ? client[method](Buffer.from(messages[0]), headers) : client[method](headers);
  if (!single) {
    for (const message of messages) call.write(Buffer.from(message));
    call.end();
  }
  const got = [];
  for await (const message of call) got.push(message.toString());
  return got;
}

const seven = "x".repeat(7);
const messages = ["four", "", "five5", "y".repeat(100_000)];
const scenarios = {
  async calls() {
    assert.equal(await answer("Unary", "echo hello"), "echo hello");
    assert.equal(await answer("Unary", ""), "");
    await assert.rejects(answer("Unary", "fail 5 what: é 100%"), { code: 5, details: "what: é 100%" });
    assert.deepEqual(await answers("Download", "3 7 end"), [seven, seven, seven]);
    await assert.rejects(answers("Download", "2 7 fail"), { code: 15, details: "in the middle of it" });
    assert.equal(await answer("Upload", ...messages), "100009");
    assert.deepEqual(await answers("Chat", ...messages), messages);
    await assert.rejects(answer("Nothing", "there?"), { code: 12 });
  },
  async gzip() {
    assert.equal(await answer("Unary", "z".repeat(5_000)), "z".repeat(5_000));
    assert.deepEqual(await answers("Chat", ...messages), messages);
  },
  cancel() {
    const call = client.Download(Buffer.from("1 7 hang"), headers);
    call.once("data", () => call.cancel());
    return new Promise((resolve) => {
      call.once("error", (error) => resolve(assert.equal(error.code, grpc.status.CANCELLED)));
    });
  },
  async deadline() {
    // The time that connecting takes is not part of it.
    await new Promise((resolve) => client.waitForReady(Date.now() + 20_000, resolve));
    const hanging = new Promise((resolve, reject) => {
      const deadline = Date.now() + 200;
      client.Unary(Buffer.from("hang"), headers, { deadline }, (error) => (error ? reject(error) : resolve()));
    });
    // The server was told how long it has, too, and tonic's answers CANCELLED if its clock is the first to say so.
    const codes = [grpc.status.DEADLINE_EXCEEDED, grpc.status.CANCELLED];
    await assert.rejects(hanging, (error) => codes.includes(error.code));
    // A server that has not looked at its connection since then would see it closed, and the call never.
    await new Promise((resolve) => process.stdin.once("end", resolve).resume());
  },
};

scenarios[what]().then(() => client.close());
