import { expect, test } from "vitest";
import { badInput, runProcessor } from "../../test/processors/harness.ts";
import { fileValidate } from "./file-validate.ts";

const photo = { name: "a.png", mediaType: "image/png", content: "0123456789" };

test.each([
  ["any file without conditions", {}],
  ["a file of an accepted family", { accept: ["text/plain", "image/*"] }],
  ["a file of exactly the largest size", { max_size: "10B" }],
  ["a file of exactly the smallest size", { min_size: "10B" }],
])("hands on %s unchanged", async (_, conditions) => {
  await using run = await runProcessor(fileValidate, { with: conditions, inputs: [photo] });
  expect(run.outputs).toHaveLength(1);
  expect(run.only).toMatchObject({ passed: 0, name: "a.png", mediaType: "image/png" });
});

test.each([
  ["another type", { accept: ["image/jpeg"] }, "type_mismatch", /"a\.png" is image\/png; accepted are image\/jpeg/],
  ["a family that only shares letters", { accept: ["imag/*"] }, "type_mismatch", /accepted are/],
  ["a byte too many", { max_size: "9B" }, "limit_exceeded", /10 bytes; at most 9B/],
  ["a byte too few", { min_size: "11B" }, "limit_exceeded", /at least 11B/],
])("stops %s", async (_, conditions, code, message) => {
  const error = await badInput(runProcessor(fileValidate, { with: conditions, inputs: [photo] }));
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test.each([{ max_size: "10" }, { max_size: 10 }, { accept: [] }, { accept: ["image"] }, { acept: ["image/*"] }])(
  "refuses the parameters %j",
  (given) => {
    expect(fileValidate.params.safeParse(given).success).toBe(false);
  },
);
