import fc from "fast-check";
import { expect, test } from "vitest";
import { badInput, runProcessor, type GivenInput } from "../../test/processors/harness.ts";
import { numbersStats } from "./numbers-stats.ts";

const ALL = ["count", "sum", "mean", "min", "max", "variance", "stddev", "quantiles"];

const texts = (contents: readonly string[]): GivenInput[] =>
  contents.map((content, index) => ({ name: `n${index}.txt`, mediaType: "text/plain", content }));

async function inTree(contents: readonly string[], parameters: Record<string, unknown>, fanIn = 3): Promise<string> {
  for (let level = texts(contents); ;) {
    const isRoot = level.length <= fanIn;
    const next: GivenInput[] = [];
    for (let start = 0; start < level.length; start += fanIn) {
      await using run = await runProcessor(numbersStats, { with: parameters, inputs: level.slice(start, start + fanIn), isRoot });
      if (isRoot) return await run.only.text();
      next.push({ name: run.only.name, mediaType: run.only.mediaType, content: await run.only.bytes() });
    }
    level = next;
  }
}

const statsOf = async (contents: readonly string[], parameters: Record<string, unknown> = {}, fanIn = 3) =>
  JSON.parse(await inTree(contents, parameters, fanIn)) as Record<string, never> & { quantiles: Record<string, number> };

test("all numbers of all files, in a tree", async () => {
  const stats = await statsOf(["1 2 3", "4", "5 6", "7 8 9", "10"], { measures: ALL, quantiles: [0, 0.5, 1] });
  expect(stats).toMatchObject({ files: 5, count: 10, sum: 55, mean: 5.5, min: 1, max: 10, variance: 55 / 6, stddev: Math.sqrt(55 / 6) });
  expect(stats["quantiles"]).toMatchObject({ "0": 1, "1": 10 });
  expect(Math.abs((stats.quantiles["0.5"] ?? 0) - 5.5)).toBeLessThan(0.6);
});

test("the n-th numbers of all files", async () => {
  const stats = await statsOf(["1 10", "2 20", "3 30", "4 40"], { by: "position", measures: ["count", "mean", "min", "max"] });
  expect(stats).toEqual({
    files: 4,
    positions: [
      { count: 4, mean: 2.5, min: 1, max: 4 },
      { count: 4, mean: 25, min: 10, max: 40 },
    ],
  });
});

test("integers are exact whatever their size, and their order and grouping do not matter", async () => {
  const integers = fc.array(fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), fc.maxSafeInteger()), {
    minLength: 2,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(integers, async (values) => {
      const text = await inTree(values.map(String), { measures: ["count", "sum", "min", "max", "variance"] }, 2);
      const exact = values.map(BigInt);
      const many = BigInt(values.length);
      const sum = exact.reduce((total, value) => total + value, 0n);
      const squares = exact.reduce((total, value) => total + value * value, 0n);
      const sorted = exact.toSorted((left, right) => (left < right ? -1 : 1));
      expect(text).toContain(`"sum":${sum},"min":${sorted[0]},"max":${sorted.at(-1)}`);
      const variance = Number((many * squares - sum * sum) / (many * (many - 1n)));
      expect(Math.abs((JSON.parse(text) as { variance: number }).variance - variance)).toBeLessThanOrEqual(1 + variance * 2 ** -50);
    }),
    { numRuns: 40 },
  );
});

test("decimals close together and far from 0 keep their variance", async () => {
  const values = Array.from({ length: 200 }, (_, index) => 1e9 + (index % 2) / 2 + 0.25);
  const contents = Array.from({ length: 20 }, (_, file) => values.slice(file * 10, file * 10 + 10).join(" "));
  const { variance, mean, sum } = await statsOf(contents);
  expect(mean).toBeCloseTo(1e9 + 0.5, 6);
  expect(variance).toBeCloseTo((0.0625 * 200) / 199, 9);
  expect(sum).toBe(200 * (1e9 + 0.5));
});

test("one decimal makes a column inexact, and no other", async () => {
  const big = 2n ** 70n;
  const text = await inTree([`${big} 1`, `1 0.5`, `${big} 2`], { by: "position", measures: ["sum"] }, 2);
  expect(text).toContain(`{"sum":${2n * big + 1n}}`);
  expect(text).toContain(`{"sum":3.5}`);
});

test("quantiles are within their accuracy, with negative numbers and zeros among them, however they were merged", async () => {
  const values = Array.from({ length: 900 }, (_, index) => index - 450);
  const contents = Array.from({ length: 30 }, (_, file) => values.filter((_value, index) => index % 30 === file).join(" "));
  const quantiles = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
  const stats = await statsOf(contents, { measures: ["quantiles"], quantiles, accuracy: 0.01 });
  for (const quantile of quantiles) {
    const exact = values[Math.floor(quantile * 899)] ?? 0;
    expect(Math.abs((stats.quantiles[String(quantile)] ?? 0) - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.01 + 1);
  }
});

test("a single number has no variance", async () => {
  expect(await statsOf(["5"])).toMatchObject({ count: 1, variance: null, stddev: null, min: 5, max: 5, mean: 5 });
});

test.each([
  ["unequal files by position", ["1 2", "1"], { by: "position" }, "type_mismatch"],
  ["an empty file", [""], {}, "corrupt"],
  ["a word", ["x"], {}, "corrupt"],
  ["more positions than can be sketched", ["1 ".repeat(5_001)], { by: "position", measures: ["quantiles"] }, "limit_exceeded"],
])("refuses %s", async (_, contents, parameters, code) => {
  expect(await badInput(runProcessor(numbersStats, { with: parameters, inputs: texts(contents) }))).toMatchObject({ code });
});

test.each(["", "{}\n", '{"filemill_stats":2,"files":1,"states":1}\n', '{"filemill_stats":1,"files":1,"states":1}\n{"min":1}\n'])(
  "refuses the state %j",
  async (content) => {
    const inputs = [{ name: "stats.state", mediaType: "application/vnd.filemill.stats", content }];
    expect(await badInput(runProcessor(numbersStats, { inputs }))).toMatchObject({ code: "corrupt" });
  },
);
