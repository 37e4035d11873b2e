import { expect, test } from "vitest";
import { readRetryAfter } from "./retry-after.ts";

test.each([
  [undefined, 0],
  ["120", 120_000],
  [" 7 ", 7_000],
  ["Fri, 31 Dec 1999 23:59:59 GMT", 9_000],
  ["Fri, 31 Dec 1999 23:59:40 GMT", 0],
  ["soon", 0],
  ["-5", 0],
  ["", 0],
])("Retry-After %s", (value, expected) => {
  expect(readRetryAfter(value, Date.parse("Fri, 31 Dec 1999 23:59:50 GMT"))).toBe(expected);
});
