import { expect, test } from "vitest";
import { azurePlace, generatedCount, s3Place } from "./options.ts";

test.each([
  ["raw", { from: "raw" }],
  ["raw/2026/in", { from: "raw", prefix: "2026/in" }],
  ["s3://photos", { bucket: "photos" }],
  ["s3://photos/raw/a b?c", { bucket: "photos", prefix: "raw/a b?c" }],
])("--from-s3 %s", (text, place) => {
  expect(s3Place(text, {})).toEqual(place);
});

test("a public bucket has its endpoint and region", () => {
  const where = { endpoint: "https://s3.example.org", region: "eu-west-1" };
  expect(s3Place("s3://photos/x", where)).toEqual({ bucket: "photos", prefix: "x", ...where });
});

test.each([
  ["reports/2026", { from: "reports", prefix: "2026" }],
  ["https://acme.blob.core.windows.net/public", { container: "https://acme.blob.core.windows.net/public" }],
  ["https://acme.blob.core.windows.net/public/a/b", { container: "https://acme.blob.core.windows.net/public", prefix: "a/b" }],
])("--from-azure %s", (text, place) => {
  expect(azurePlace(text)).toEqual(place);
});

test.each(["0", "-1", "1.5", "x", "", "1e3", "10000001"])("--generate %s is refused", (text) => {
  expect(() => generatedCount(text)).toThrow(/whole number from 1 to 10000000/);
});

test("--generate 1000", () => {
  expect(generatedCount("1000")).toBe(1_000);
});
