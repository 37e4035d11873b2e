import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { sql } from "../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { readyTasks } from "../../test/engine/ready-tasks.ts";
import { claim } from "./claim.ts";
import { FIRST_CURSOR, type Cursor } from "./ring.ts";
import type { ClaimedTask } from "./task.ts";

let clone: ClonedDatabase | undefined;
let engine: Engine;
beforeEach(async () => {
  await clone?.close();
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone?.close());

/** A worker that goes on from its own cursor, as dispatch does. */
function claimer(options: { lane?: string; want: number; cursor?: Cursor }) {
  const { lane = "default", want } = options;
  const workerId = uuidv7();
  let cursor = options.cursor ?? FIRST_CURSOR;
  return async () => {
    const taken = await engine.database.asSystem((transaction) => claim(transaction, { workerId, lane, want, cursor }));
    cursor = taken.cursor;
    return taken.tasks;
  };
}

/** How many of the tasks each tenant has, in the order in which the tenants are given. */
const perTenant = (tasks: readonly ClaimedTask[], tenants: readonly string[]) =>
  tenants.map((tenantId) => tasks.filter((task) => task.tenantId === tenantId).length);

async function repeat(times: number, take: () => Promise<readonly ClaimedTask[]>): Promise<ClaimedTask[]> {
  const all: ClaimedTask[] = [];
  for (let round = 0; round < times; round++) all.push(...(await take()));
  return all;
}

test("eight claimers at once take each of 2,000 tasks once", async () => {
  const tenants = [await engine.tenant(), await engine.tenant(), await engine.tenant()];
  for (const [index, tenantId] of tenants.entries()) await readyTasks(engine.database, { tenantId, count: [1_000, 700, 300][index] ?? 0 });
  const taken = await Promise.all(
    Array.from({ length: 8 }, async (_unused, index) => {
      const take = claimer({ want: 1 + index * 5 });
      const mine: ClaimedTask[] = [];
      for (let empty = 0; empty < 2;) {
        const tasks = await take();
        // Two claims at once may each find only rows that the other has locked; only twice nothing is the end.
        empty = tasks.length === 0 ? empty + 1 : 0;
        mine.push(...tasks);
      }
      return mine;
    }),
  );
  const ids = taken.flat().map((task) => task.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toHaveLength(2_000);
  const [left] = await engine.rows<{ count: number }>(sql`SELECT count(*) FROM tasks WHERE status <> 'running' OR epoch <> 1`);
  expect(left?.count).toBe(0);
});

describe("fairness", () => {
  test("one task of B is taken with the first claim beside 10,000 of A, whichever of them comes first in the ring", async () => {
    const [first = "", second = ""] = [await engine.tenant(), await engine.tenant()].toSorted();
    for (const [many, one] of [
      [first, second],
      [second, first],
    ] as const) {
      await readyTasks(engine.database, { tenantId: many, count: 10_000 });
      await readyTasks(engine.database, { tenantId: one, count: 1 });
      const tasks = await repeat(2, claimer({ want: 16 }));
      expect(perTenant(tasks, [one])).toEqual([1]);
      await engine.rows(sql`DELETE FROM tasks`);
    }
  });

  test.each([1, 2, 4, 16])("weights 3 : 1 give 3 : 1 with %i places", async (want) => {
    const tenants = [await engine.tenant({ weight: 3 }), await engine.tenant()];
    for (const tenantId of tenants) await readyTasks(engine.database, { tenantId, count: 400 });
    const [heavy = 0, light = 1] = perTenant(await repeat(Math.floor(240 / want), claimer({ want })), tenants);
    expect(heavy + light).toBe(240);
    expect(heavy / light).toBeCloseTo(3, 0);
  });

  test.each([1, 2, 4, 5, 7, 16])("three equal tenants get equally much of %i places", async (want) => {
    const tenants = [await engine.tenant(), await engine.tenant(), await engine.tenant()];
    for (const tenantId of tenants) await readyTasks(engine.database, { tenantId, count: 300 });
    const got = perTenant(await repeat(Math.floor(210 / want), claimer({ want })), tenants);
    expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(want);
  });

  test("40 tenants, one of them heavy, are all served within three rounds from any cursor", async () => {
    const tenants = [await engine.tenant({ weight: 100 })];
    while (tenants.length < 40) tenants.push(await engine.tenant());
    for (const tenantId of tenants) await readyTasks(engine.database, { tenantId, count: 400 });
    for (const cursor of [FIRST_CURSOR, { after: tenants[17] ?? "" }, { after: tenants.at(-1) ?? "" }]) {
      const tasks = await repeat(9, claimer({ want: 16, cursor }));
      expect(perTenant(tasks, tenants).filter((count) => count === 0)).toEqual([]);
    }
  });

  test("priority orders a tenant's own tasks and lifts none over another tenant's", async () => {
    const [plain, urgent] = [await engine.tenant(), await engine.tenant()];
    await readyTasks(engine.database, { tenantId: plain, count: 100, priority: 0 });
    await readyTasks(engine.database, { tenantId: plain, count: 3, priority: 5 });
    await readyTasks(engine.database, { tenantId: urgent, count: 100, priority: 9 });
    const tasks = await claimer({ want: 16 })();
    expect(perTenant(tasks, [plain, urgent])).toEqual([8, 8]);
    expect(tasks.filter((task) => task.tenantId === plain).map((task) => task.priority)).toEqual([5, 5, 5, 0, 0, 0, 0, 0]);
  });
});

describe("caps", () => {
  test("tenants at their cap do not hide the others, however many they are", async () => {
    const capped = await Promise.all(Array.from({ length: 40 }, () => engine.tenant({ maxRunning: 1 })));
    const free = await engine.tenant();
    for (const tenantId of [...capped, free]) await readyTasks(engine.database, { tenantId, count: 2 });
    const take = claimer({ want: 1 });
    const tasks = await repeat(42, take);
    expect(perTenant(tasks, [free])).toEqual([2]);
    expect(perTenant(tasks, capped)).toEqual(capped.map(() => 1));
    expect(await take()).toEqual([]);
  });

  test("eight claimers at once never take a tenant over its cap, and fill it", async () => {
    const cap = 7;
    const capped = await engine.tenant({ maxRunning: cap });
    const free = await engine.tenant();
    for (const tenantId of [capped, free]) await readyTasks(engine.database, { tenantId, count: 300 });
    const samples: number[] = [];
    let claiming = true;
    const sample = async () => {
      while (claiming) samples.push(await running(capped));
    };
    const claimers = Array.from({ length: 8 }, (_unused, index) => claimer({ want: 2 + index }));
    const sampling = sample();
    for (let round = 0; round < 6; round++) {
      await Promise.all(claimers.map((take) => take()));
      // Some of what runs ends, so that room comes and goes under the claimers.
      await engine.rows(sql`
        UPDATE tasks SET status = 'succeeded'
        WHERE id = ANY(ARRAY(SELECT id FROM tasks WHERE tenant_id = ${capped}::uuid AND status = 'running' LIMIT 3 FOR UPDATE))`);
    }
    for (let round = 0; round < 3; round++) await Promise.all(claimers.map((take) => take()));
    claiming = false;
    await sampling;
    expect(Math.max(...samples)).toBeLessThanOrEqual(cap);
    expect(samples.length).toBeGreaterThan(10);
    await claimers[0]?.();
    expect(await running(capped)).toBe(cap);
  });

  test("a capped tenant is served while one of its files is being recorded", async () => {
    const tenantId = await engine.tenant({ maxRunning: 5 });
    await readyTasks(engine.database, { tenantId, count: 10 });
    const tasks = await engine.database.asTenant(tenantId, async (transaction) => {
      await transaction.execute(sql`
        INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
        VALUES (${uuidv7()}::uuid, ${tenantId}::uuid, 'open', 1, sha256('x'), 'text/plain', 'upload')`);
      return await claimer({ want: 16 })();
    });
    expect(tasks).toHaveLength(5);
  });

  const running = async (tenantId: string) =>
    (await engine.rows<{ count: number }>(sql`SELECT count(*) FROM tasks WHERE tenant_id = ${tenantId}::uuid AND status = 'running'`))[0]
      ?.count ?? 0;
});

test("lanes stay apart, and what backs off is in none", async () => {
  const tenantId = await engine.tenant();
  await readyTasks(engine.database, { tenantId, count: 3, lane: "default" });
  await readyTasks(engine.database, { tenantId, count: 4, lane: "heavy" });
  await engine.rows(sql`
    UPDATE tasks SET backing_off = true, run_at = now() + interval '1 hour'
    WHERE id = (SELECT id FROM tasks WHERE lane = 'heavy' ORDER BY id LIMIT 1)`);
  expect((await claimer({ want: 16, lane: "heavy" })()).map((task) => task.lane)).toEqual(["heavy", "heavy", "heavy"]);
  expect(await claimer({ want: 16, lane: "absent" })()).toEqual([]);
  expect(await claimer({ want: 16 })()).toHaveLength(3);
});
