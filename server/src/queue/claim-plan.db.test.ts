import pg from "pg";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database, Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { readyTasks } from "../../test/engine/ready-tasks.ts";
import { claim } from "./claim.ts";
import { FIRST_CURSOR } from "./ring.ts";
import { endBackoffs, reapExpired } from "./reap.ts";

// What makes a queue slow is its plans: one that reads the whole table looks well with ten rows and dies with a million.

const workerId = uuidv7();
let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly Plans?: readonly PlanNode[];
}

/** Runs `work` and gives the plans of all its statements, each explained at the moment in which it is run. */
async function plansOf(database: Database, work: (transaction: Transaction) => Promise<unknown>): Promise<PlanNode[]> {
  const plans: PlanNode[] = [];
  await database.asSystem(async (transaction) => {
    const explain = async (statement: Statement) => {
      const text = `EXPLAIN (FORMAT JSON) ${statement.text}`;
      const [row] = await transaction.query<{ "QUERY PLAN": readonly { Plan: PlanNode }[] }>({ text, values: statement.values });
      for (const { Plan } of row?.["QUERY PLAN"] ?? []) plans.push(...withChildren(Plan));
    };
    await work({
      async query(statement) {
        await explain(statement);
        return await transaction.query(statement);
      },
      async execute(statement) {
        await explain(statement);
        return await transaction.execute(statement);
      },
    });
  });
  return plans;
}

function withChildren(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(withChildren)];
}

/** How tasks are read: by which index, in its order or as a bitmap, or by reading all of them. */
const ways = (plans: readonly PlanNode[]) =>
  new Set(plans.filter((node) => node["Relation Name"] === "tasks" && node["Node Type"] !== "ModifyTable").map(wayOf));

function wayOf(node: PlanNode): string {
  if (node["Node Type"] !== "Bitmap Heap Scan") return node["Index Name"] ?? node["Node Type"];
  return `bitmap of ${(node.Plans ?? []).map((index) => index["Index Name"]).join()}`;
}

test("a claim reads tasks in the ready index's order, with the statistics of an empty table as well as with true ones", async () => {
  const engine = openEngine(clone.database);
  const tenants = await Promise.all(Array.from({ length: 10 }, (_unused, index) => engine.tenant(index === 3 ? { maxRunning: 3 } : {})));
  await analyze();
  for (const tenantId of tenants) await readyTasks(clone.database, { tenantId, count: 5_000 });
  for (const statistics of ["of an empty table", "true"]) {
    if (statistics === "true") await analyze();
    const read = ways(
      await plansOf(clone.database, (transaction) => claim(transaction, { workerId, lane: "default", want: 16, cursor: FIRST_CURSOR })),
    );
    expect(read).toContain("tasks_ready");
    // The 16 picked are found again by their ids; a capped tenant's running ones are counted.
    const also = ["tasks_ready", "tasks_pkey", "bitmap of tasks_pkey", "tasks_running", "bitmap of tasks_running"];
    expect([...read].filter((way) => !also.includes(way))).toEqual([]);
  }
});

test("the reaper reads what runs, and ended backoffs are found by their time, among 50,000 that wait", async () => {
  const reaped = ways(await plansOf(clone.database, reapExpired));
  expect([...reaped].filter((way) => !/tasks_running|tasks_pkey/.test(way))).toEqual([]);
  const ended = ways(await plansOf(clone.database, endBackoffs));
  expect([...ended].filter((way) => !/tasks_backing_off|tasks_pkey/.test(way))).toEqual([]);
});

test("a plan that reads every task is seen", async () => {
  const plans = await plansOf(clone.database, (transaction) => transaction.query(sql`SELECT id FROM tasks WHERE stage + 0 = 1`));
  expect(ways(plans)).toEqual(new Set(["Seq Scan"]));
});

/** Statistics are the owner's to gather. */
async function analyze(): Promise<void> {
  const client = new pg.Client({ connectionString: clone.adminUrl, options: "-c search_path=filemill" });
  await client.connect();
  await client.query("ANALYZE tasks, task_inputs, tenants");
  await client.end();
}
