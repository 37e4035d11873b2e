import { matchesGlob } from "node:path/posix";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isMatch } from "./is-match.ts";

test.each([
  ["a.csv", "*.csv", true],
  ["in/a.csv", "*.csv", false],
  ["a.csv", "**/*.csv", true],
  ["in/2026/a.csv", "**/*.csv", true],
  ["in/2026/a.csv", "in/**", true],
  ["other/a.csv", "in/**", false],
  ["in/2026/11/a.csv", "in/**/11/*", true],
  ["a1.csv", "a?.csv", true],
  ["a12.csv", "a?.csv", false],
  ["ü.csv", "?.csv", true],
  ["{a,b}.csv", "{a,b}.csv", true],
  ["a.csv", "{a,b}.csv", false],
  ["a+b (1).csv", "a+b (?).csv", true],
  ["a", "", false],
])("%s against %s: %s", (path, pattern, expected) => {
  expect(isMatch(path, pattern)).toBe(expected);
});

test("is what node:path says, where that is quick", () => {
  const name = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }).map((letters) => letters.join(""));
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  const part = fc.oneof(
    fc.constant("**"),
    fc.array(fc.constantFrom("a", "b", "*", "?"), { minLength: 1, maxLength: 4 }).map((each) => each.join("").replaceAll("**", "*")),
  );
  const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(path, pattern, (one, other) => {
      // A `**` at the end must take at least one name there.
      if (other.endsWith("**")) return;
      expect(isMatch(one, other)).toBe(matchesGlob(one, other));
    }),
    { numRuns: 2_000 },
  );
});

test("a pattern that is made to be slow is not", () => {
  const path = `${"a".repeat(200)}/${"a/".repeat(200)}b`;
  const started = performance.now();
  for (const pattern of ["*a".repeat(90), "**/".repeat(60) + "x", "{0..100000}", "{a,b}".repeat(20), "+(+(+(+(+(a)))))c"])
    isMatch(path, pattern);
  expect(performance.now() - started).toBeLessThan(1_000);
});
