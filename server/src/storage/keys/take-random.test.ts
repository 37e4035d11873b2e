import { expect, test } from "vitest";
import { takeRandom } from "./take-random.ts";

test("nothing is given twice, over many refills, and what was given does not change", () => {
  const given = Array.from({ length: 5_000 }, (_none, no) => takeRandom(no % 2 === 0 ? 32 : 12));
  const before = given.map((bytes) => bytes.toString("hex"));
  for (let more = 0; more < 5_000; more++) takeRandom(24);
  expect(given.map((bytes) => bytes.toString("hex"))).toEqual(before);
  expect(new Set(before).size).toBe(given.length);
  // A part of one in another would show as a shared run of 8 bytes.
  const runs = before.flatMap((text) => [text.slice(0, 16), text.slice(-16)]);
  expect(new Set(runs).size).toBeGreaterThanOrEqual(runs.length);
  expect(before.some((text) => /^0+$/.test(text))).toBe(false);
});

test("more than the pool holds can be had", () => {
  expect(takeRandom(100_000)).toHaveLength(100_000);
});
