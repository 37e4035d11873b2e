import { expect, test } from "vitest";
import { badInput, runProcessor, type GivenInput } from "../../test/processors/harness.ts";
import { tableProfile } from "./table-profile.ts";

async function profileOf(
  input: GivenInput,
  options: Record<string, unknown> = {},
): Promise<{ rows: number; columns: Record<string, unknown>[] }> {
  await using run = await runProcessor(tableProfile, { with: options, inputs: [input] });
  return JSON.parse(await run.only.text());
}

const csv = (content: string): GivenInput => ({ name: "t.csv", mediaType: "text/csv", content });

test("describes numbers, texts, dates and nulls", async () => {
  const profile = await profileOf(csv("n,t,d\n1,a,2020-01-01\n2,b,2020-01-02\n3,b,\n4,,2020-01-02\n"));
  expect(profile.rows).toBe(4);
  const [n, t, d] = profile.columns;
  expect(n).toMatchObject({
    name: "n",
    type: "BIGINT",
    count: 4,
    nulls: 0,
    distinct: 4,
    distinct_is_estimate: false,
    min: 1,
    max: 4,
    mean: 2.5,
  });
  expect(n).toMatchObject({ quantiles: { p05: 1.15, p25: 1.75, p50: 2.5, p75: 3.25 } });
  expect(n?.["standard_deviation"]).toBeCloseTo(1.29099, 4);
  expect(t).toMatchObject({ type: "VARCHAR", count: 3, nulls: 1, distinct: 2, min: "a", max: "b", shortest: 1, longest: 1 });
  expect(t?.["top"]).toEqual([
    { value: "b", count: 2 },
    { value: "a", count: 1 },
  ]);
  expect(t).not.toHaveProperty("mean");
  expect(d).toMatchObject({ type: "DATE", count: 3, nulls: 1, min: "2020-01-01", max: "2020-01-02" });
});

test("not-a-number and infinity are counted but have no part in mean and quantiles", async () => {
  const [n] = (await profileOf(csv("n\n1.5\nnan\ninf\n2.5\n"))).columns;
  expect(n).toMatchObject({ type: "DOUBLE", count: 4, nulls: 0, mean: 2, quantiles: { p50: 2 } });
});

test("nested values are compared as text", async () => {
  const content = '[{"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, {"a": null}]';
  const [a] = (await profileOf({ name: "t.json", mediaType: "application/json", content })).columns;
  expect(a).toMatchObject({ count: 2, nulls: 1, distinct: 1, top: [{ value: "{'b': [1, 2]}", count: 2 }] });
});

test("names that look like SQL are only names", async () => {
  const profile = await profileOf(csv('"a""; DROP TABLE input; --",b\n1,2\n'));
  expect(profile.columns.map((column) => column["name"])).toEqual(['a"; DROP TABLE input; --', "b"]);
});

test("a table without rows has columns without values", async () => {
  const profile = await profileOf(csv("a,b\n"));
  expect(profile).toMatchObject({ rows: 0, columns: [{ name: "a", count: 0, min: null, top: [] }, { name: "b" }] });
});

test("top values can be left out", async () => {
  expect((await profileOf(csv("a\nx\n"), { top: 0 })).columns).toMatchObject([{ top: [] }]);
});

test("long values are cut", async () => {
  const [a] = (await profileOf(csv(`a\n${"x".repeat(5_000)}\n`))).columns;
  expect(String(a?.["min"])).toHaveLength(200);
  expect(a).toMatchObject({ longest: 5_000 });
});

test("garbage with the right magic is corrupt", async () => {
  const input = { name: "x.parquet", mediaType: "application/vnd.apache.parquet", content: `PAR1${"x".repeat(100)}PAR1` };
  expect((await badInput(runProcessor(tableProfile, { inputs: [input] }))).code).toBe("corrupt");
});
