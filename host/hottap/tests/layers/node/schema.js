//! The service test.Echo and its message as Connect's libraries want them: described here, not generated.

"use strict";

const { createFileRegistry, fromJson } = require("@bufbuild/protobuf");
const { FileDescriptorProtoSchema } = require("@bufbuild/protobuf/wkt");

const method = (name, clientStreaming, serverStreaming) => ({
  name,
  inputType: ".test.Text",
  outputType: ".test.Text",
  clientStreaming,
  serverStreaming,
});

const file = fromJson(FileDescriptorProtoSchema, {
  name: "test/echo.proto",
  package: "test",
  syntax: "proto3",
  messageType: [
    {
      name: "Text",
      field: [{ name: "text", jsonName: "text", number: 1, type: "TYPE_STRING", label: "LABEL_OPTIONAL" }],
    },
  ],
  service: [
    {
      name: "Echo",
      method: [
        { ...method("Unary", false, false), options: { idempotencyLevel: "NO_SIDE_EFFECTS" } },
        method("Download", false, true),
        method("Upload", true, false),
        method("Chat", true, true),
      ],
    },
  ],
});

exports.Echo = createFileRegistry(file, () => undefined).getService("test.Echo");
