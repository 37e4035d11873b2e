import { expect, test } from "vitest";
import { nameOfUrl, objectName } from "./object-name.ts";

test.each([
  ["in/2026/report.pdf", "report.pdf"],
  ["..\\..\\up.txt", "up.txt"],
  ["../../etc/passwd", "passwd"],
  ["folder/", "object"],
  ["", "object"],
  ["a\r\nb\0.txt", "a__b_.txt"],
  [`${"x".repeat(300)}.pdf`, `${"x".repeat(251)}.pdf`],
  ["\ud800.txt", "\ufffd.txt"],
])("%j becomes %j", (key, name) => {
  expect(objectName(key)).toBe(name);
});

test("a name of many bytes keeps its end, and no half of a letter", () => {
  const name = objectName(`${"ü".repeat(200)}.pdf`);
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
  expect(name).toMatch(/^ü+\.pdf$/);
});

test.each([
  ["https://example.org/a/b%20c.pdf?x=1#y", "b c.pdf"],
  ["https://example.org/a/", "a"],
  ["https://example.org/", "example.org"],
  ["https://example.org/%ff%zz", "%ff%zz"],
  ["https://example.org/a%2Fb%2Fc.txt", "c.txt"],
])("%s is named %s", (url, name) => {
  expect(nameOfUrl(new URL(url))).toBe(name);
});
