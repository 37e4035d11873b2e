import { expect, test } from "vitest";
import { readOrder } from "./read-order.ts";

test("whole numbers within the limits, as numbers or as text of a form", () => {
  expect(readOrder({ noOfFiles: 1_000, noOfEntriesPerFile: "10000" })).toEqual({ noOfFiles: 1_000, noOfEntriesPerFile: 10_000 });
  expect(readOrder({ noOfFiles: 100_000, noOfEntriesPerFile: 1_000 })).toEqual({ noOfFiles: 100_000, noOfEntriesPerFile: 1_000 });
  expect(readOrder({ noOfFiles: 100, noOfEntriesPerFile: 1_000_000 })).toEqual({ noOfFiles: 100, noOfEntriesPerFile: 1_000_000 });
});

test.each([0, -1, 1.5, "1.5", "", " 5", "5x", "1e3", true, null, undefined, [5], {}, Number.NaN, 2 ** 53, "999999999999999999999"])(
  "%j files are refused",
  (noOfFiles) => {
    const msg = "noOfFiles must be a whole number from 1 to 100000";
    expect(readOrder({ noOfFiles, noOfEntriesPerFile: 5 })).toEqual({
      errors: [{ type: "field", msg, path: "noOfFiles", location: "body" }],
    });
  },
);

test.each([undefined, null, "text", 7, [], {}, { noOfFiles: 0, noOfEntriesPerFile: 0 }])("of %j both numbers are missed", (body) => {
  const errors = [expect.objectContaining({ path: "noOfFiles" }), expect.objectContaining({ path: "noOfEntriesPerFile" })];
  expect(readOrder(body)).toEqual({ errors });
});

test("each may be allowed, and both together too much", () => {
  const msg = "noOfFiles × noOfEntriesPerFile must be at most 100000000, not 100001000";
  expect(readOrder({ noOfFiles: 1_000, noOfEntriesPerFile: 100_001 })).toEqual({
    errors: [{ type: "field", msg, path: "noOfEntriesPerFile", location: "body" }],
  });
});

test("what a body only inherits is not in it", () => {
  expect(readOrder(Object.create({ noOfFiles: 1, noOfEntriesPerFile: 1 }))).toHaveProperty("errors");
});
