import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { sql } from "../db/sql.ts";
import type { CountedMetric } from "../telemetry/counted.ts";
import { foldMetrics, readMetricTotals, tellMetrics } from "./metric-sources.ts";

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());
beforeEach(() =>
  clone.database.asSystem(async (transaction) => {
    await transaction.execute(sql`DELETE FROM metric_sources`);
    await transaction.execute(sql`DELETE FROM metric_totals`);
  }),
);

const jobs = (value: number, labels = 'status="ok"'): CountedMetric => ({
  name: "jobs_total",
  type: "counter",
  help: "Jobs.",
  samples: [{ name: "jobs_total", labels, value }],
});

const tell = (id: string, sequence: number, metrics: readonly CountedMetric[], ended = false) =>
  clone.database.asSystem((transaction) => tellMetrics(transaction, { id, sequence, metrics, ended }));
const fold = () => clone.database.asSystem(foldMetrics);
const totals = async () =>
  Object.fromEntries(
    (await clone.database.asSystem(readMetricTotals)).flatMap(({ samples }) => samples.map(({ labels, value }) => [labels, value])),
  );

test("what is told twice, or out of order, counts once", async () => {
  const id = randomUUID();
  expect(await tell(id, 1, [jobs(1)])).toBe(true);
  expect(await tell(id, 1, [jobs(1)])).toBe(false);
  expect(await tell(id, 3, [jobs(5)], true)).toBe(true);
  expect(await tell(id, 2, [jobs(4)])).toBe(false);
  expect(await totals()).toEqual({ 'status="ok"': 5 });
});

test("the sum is the same before, between and after folding, and late tellings are refused", async () => {
  const ids = Array.from({ length: 10 }, () => randomUUID());
  for (const [index, id] of ids.entries()) await tell(id, 1, [jobs(index), jobs(1, 'status="failed"')], index % 2 === 0);
  const expected = { 'status="ok"': 45, 'status="failed"': 10 };
  expect(await totals()).toEqual(expected);
  // Several at once, as several API processes do.
  const folded = await Promise.all([fold(), fold(), fold()]);
  expect(folded.reduce((sum, count) => sum + count, 0)).toBe(5);
  expect(await totals()).toEqual(expected);
  expect(await tell(ids[0] ?? "", 2, [jobs(100)])).toBe(false);
  for (const id of ids) await tell(id, 2, [jobs(7)], true);
  await fold();
  await fold();
  expect(await totals()).toEqual({ 'status="ok"': 20 + 35, 'status="failed"': 5 });
});

test("folding while others tell and look loses nothing", async () => {
  const ids = Array.from({ length: 8 }, () => randomUUID());
  const seen: number[] = [];
  const tellers = ids.map(async (id) => {
    for (let sequence = 1; sequence <= 10; sequence++) await tell(id, sequence, [jobs(sequence)], sequence === 10);
  });
  const others = Array.from({ length: 12 }, async () => {
    await fold();
    seen.push((await totals())['status="ok"'] ?? 0);
  });
  await Promise.all([...tellers, ...others]);
  await fold();
  expect(await totals()).toEqual({ 'status="ok"': 80 });
  expect(Math.max(...seen)).toBeLessThanOrEqual(80);
});

test("a process that says nothing for a day is over; rows that were folded are forgotten after a week", async () => {
  const id = randomUUID();
  await tell(id, 1, [jobs(2)]);
  expect(await fold()).toBe(0);
  const age = (interval: string) =>
    clone.database.asSystem((t) => t.execute(sql`UPDATE metric_sources SET told_at = now() - ${interval}::interval`));
  await age("25 hours");
  expect(await fold()).toBe(1);
  await age("8 days");
  await fold();
  expect(await clone.database.asSystem((t) => t.query(sql`SELECT id FROM metric_sources`))).toEqual([]);
  expect(await totals()).toEqual({ 'status="ok"': 2 });
});

test("series are bounded, whatever a process tells", async () => {
  const many = Array.from({ length: 3_000 }, (_unused, index) => jobs(1, `file="${index}"`));
  await tell(randomUUID(), 1, many, true);
  expect(Object.keys(await totals())).toHaveLength(2_000);
  for (let round = 0; round < 7; round++) {
    await tell(
      randomUUID(),
      1,
      Array.from({ length: 2_000 }, (_unused, index) => jobs(1, `file="${round}-${index}"`)),
      true,
    );
    await fold();
  }
  const [kept] = await clone.database.asSystem((t) => t.query<{ count: number }>(sql`SELECT count(*) FROM metric_totals`));
  expect(kept?.count).toBeLessThanOrEqual(12_000);
  await tell(randomUUID(), 1, [jobs(1, 'file="0"')], true);
  await fold();
  expect((await totals())['file="0"']).toBe(2);
});
