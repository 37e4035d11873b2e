import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { randomIntegers } from "../processors/numbers/random-integers.ts";

const FILES = 100_000;
const COLUMNS = 100;
const SEED = 11;
const LOOK_MS = 1_000;
/** What the worker may take more than at its start; the tables of the job are in the database. */
const GROWTH_BYTES = 400 * 2 ** 20;

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database);
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});

test("100,000 generated files are averaged exactly, with flat memory", { timeout: 7_200_000 }, async () => {
  const tenantId = await engine.tenant();
  const steps = {
    files: { use: "numbers.generate", with: { count: COLUMNS, seed: SEED } },
    mean: { use: "numbers.mean", needs: ["files"], fan_in: 5 },
  };
  const jobId = await platform.submitSource(tenantId, { steps, outputs: ["mean"] }, { kind: "generate", count: FILES });
  await platform.worker();
  const before = process.memoryUsage.rss();
  let most = before;
  const looking = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, LOOK_MS);
  expect(await platform.ended(jobId, 7_000_000)).toBe("completed");
  clearInterval(looking);
  expect(most - before).toBeLessThan(GROWTH_BYTES);
  const [result, ...others] = await platform.outputs(tenantId, jobId);
  expect(others).toEqual([]);
  expect(result?.text).toBe(expectedMeans().join(" "));
  const [tree] = await engine.rows<{ nodes: number }>(
    sql`SELECT count(*) AS nodes FROM tasks WHERE job_id = ${jobId}::uuid AND kind = 'tree' AND status = 'succeeded'`,
  );
  expect(tree?.nodes).toBe(treeSize(FILES));
});

function expectedMeans(): number[] {
  const sums = Array.from({ length: COLUMNS }, () => 0);
  const numbers = new Float64Array(COLUMNS);
  for (let file = 0; file < FILES; file++) {
    randomIntegers(SEED, file).draw(numbers, 100);
    for (let place = 0; place < COLUMNS; place++) sums[place] = (sums[place] ?? 0) + (numbers[place] ?? 0) + 1;
  }
  return sums.map((sum) => sum / FILES);
}

function treeSize(files: number): number {
  const above = Math.ceil(files / 5);
  return above === 1 ? 1 : above + treeSize(above);
}
