import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, WORKER, type Engine } from "../../test/engine/engine.ts";
import { readyTasks } from "../../test/engine/ready-tasks.ts";
import { sql } from "../db/sql.ts";
import { releaseStrays } from "./strays.ts";

const OTHER = "00000000-0000-4000-8000-0000000000bb";

let clone: ClonedDatabase;
let engine: Engine;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());

test("a worker hands back what it claimed without knowing, and nothing that it or another runs", async () => {
  const tenantId = await engine.tenant();
  await readyTasks(engine.database, { tenantId, count: 6 });
  const [known, ...strays] = await engine.claim({ want: 3 });
  const others = await engine.claim({ want: 2, workerId: OTHER });
  if (!known) throw new Error("there is a task");
  const lanes = await clone.database.asSystem((transaction) =>
    releaseStrays(transaction, WORKER, [{ taskId: known.id, epoch: known.epoch }]),
  );
  expect([...lanes]).toEqual(["default"]);
  const rows = await engine.rows<{ id: string; status: string; attempts: number; losses: number }>(
    sql`SELECT id, status, attempts, losses FROM tasks`,
  );
  const statusOf = new Map(rows.map((row) => [row.id, row.status]));
  expect(strays.map((task) => statusOf.get(task.id))).toEqual(["ready", "ready"]);
  expect([known, ...others].map((task) => statusOf.get(task.id))).toEqual(["running", "running", "running"]);
  expect(rows.every((row) => row.attempts === 0 && row.losses === 0)).toBe(true);
});
