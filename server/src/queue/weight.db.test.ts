import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, WORKER, type Engine } from "../../test/engine/engine.ts";
import { stage, step } from "../../test/engine/plans.ts";
import { sql } from "../db/sql.ts";
import type { Plan } from "../jobs/plan.ts";
import { claim } from "./claim.ts";
import { FIRST_CURSOR, type Cursor } from "./ring.ts";

let clone: ClonedDatabase;
let engine: Engine;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());
beforeEach(async () => {
  await engine.rows(sql`UPDATE tasks SET status = 'cancelled', lease_until = NULL WHERE status IN ('ready', 'running', 'waiting')`);
});

const planOf = (weight: number): Plan => ({ stages: [stage(0, [step("a")], { batch: { items: 1 }, ...(weight > 1 && { weight }) })] });

async function submit(weight: number, tasks: number, tenantId?: string): Promise<string> {
  const tenant = tenantId ?? (await engine.tenant());
  await engine.submit(tenant, planOf(weight), await engine.files(tenant, tasks));
  return tenant;
}

async function take(want: number, cursor: Cursor = FIRST_CURSOR, slots = 4) {
  const claimed = await clone.database.asSystem((transaction) =>
    claim(transaction, { workerId: WORKER, lane: "default", want, cursor, slots }),
  );
  return { weights: claimed.tasks.map((task) => task.weight), tenants: claimed.tasks.map((task) => task.tenantId), cursor: claimed.cursor };
}

describe("a claim", () => {
  it("takes what fits into the free places", async () => {
    await submit(2, 5);
    expect((await take(4)).weights).toEqual([2, 2]);
    expect((await take(3)).weights).toEqual([2]);
  });

  it("takes the first task whatever it weighs, and counts it as all places of the worker at most", async () => {
    await submit(64, 3);
    expect((await take(1)).weights).toEqual([64]);
    // Two workers' worth of places: two tasks, each all of one.
    expect((await take(8)).weights).toEqual([64, 64]);
  });

  it("takes nothing past a task that does not fit, so that light ones do not starve it", async () => {
    const tenantId = await submit(1, 1);
    await submit(3, 1, tenantId);
    await submit(1, 5, tenantId);
    expect((await take(3)).weights).toEqual([1]);
    expect((await take(3)).weights).toEqual([3]);
    expect((await take(3)).weights).toEqual([1, 1, 1]);
  });

  it("comes back first to a tenant whose task did not fit, however many light ones others have", async () => {
    const [light, heavy] = [await engine.tenant(), await engine.tenant()].toSorted();
    await submit(1, 40, light);
    await submit(4, 2, heavy);
    const seen: (string | undefined)[] = [];
    let cursor: Cursor = FIRST_CURSOR;
    for (let round = 0; round < 6; round++) {
      const taken = await take(2, cursor);
      ({ cursor } = taken);
      seen.push(...taken.tenants);
    }
    expect(seen.filter((tenant) => tenant === heavy)).toHaveLength(2);
  });
});
