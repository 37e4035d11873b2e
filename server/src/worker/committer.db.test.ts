import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, WORKER, type Engine } from "../../test/engine/engine.ts";
import { stage, step } from "../../test/engine/plans.ts";
import { openServerAge } from "../../test/engine/server-age.ts";
import { contentsIn } from "../../test/contents-in.ts";
import { createMemoryStore } from "../../test/memory-store.ts";
import { openDatabase } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { reapExpired } from "../queue/reap.ts";
import type { ClaimedTask } from "../queue/task.ts";
import { openCommitter, type Completion } from "./committer.ts";
import { registerWorker, touchWorker } from "./registry.ts";

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  tenantId = await engine.tenant();
});
afterAll(() => clone.close());

const plan = { stages: [stage(0, [step("a")], { batch: { items: 1 } })] };
const log = pino({ level: "silent" });
const completion = (task: ClaimedTask | undefined): Completion => {
  if (!task) throw new Error("there is no task");
  return { finished: { task, plan, outcome: { type: "done", results: [{ ok: true, outputs: [] }] } }, files: [], outputs: [] };
};

test("of two holdings of one task in one batch only the current one counts, once", async () => {
  const server = await openServerAge(clone);
  const jobId = await engine.submit(tenantId, plan, await engine.files(tenantId, 2));
  const [first] = await engine.claim();
  await engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 ms' WHERE id = ${first?.id}::uuid`);
  await server.asSystem(reapExpired);
  const [again] = await engine.claim();
  expect([again?.id, again?.epoch]).toEqual([first?.id, 2]);
  const committer = openCommitter({
    database: clone.database,
    contents: contentsIn(createMemoryStore()),
    workerId: WORKER,
    log,
    onSettled: () => {},
  });
  expect(await Promise.all([committer.commit(completion(first)), committer.commit(completion(again))])).toEqual(["not_ours", "committed"]);
  const rows = await engine.rows(sql`SELECT open_tasks, items_succeeded FROM job_stages WHERE job_id = ${jobId}::uuid`);
  expect(rows).toEqual([{ open_tasks: 1, items_succeeded: 1 }]);
});

test("a close with a deadline ends while the database is away", async () => {
  await engine.submit(tenantId, plan, await engine.files(tenantId, 1));
  const [task] = await engine.claim();
  const away = openDatabase({ url: "postgres://nobody@127.0.0.1:1/nothing", applicationName: "test" });
  const committer = openCommitter({
    database: away,
    contents: contentsIn(createMemoryStore()),
    workerId: WORKER,
    log,
    onSettled: () => {},
  });
  const committed = committer.commit(completion(task));
  await committer.close(AbortSignal.timeout(100));
  expect(await committed).toBe("not_ours");
  await away.close();
});

test("a worker that was shown as lost and comes by again is up", async () => {
  const [one, other] = ["00000000-0000-4000-8000-0000000000b1", "00000000-0000-4000-8000-0000000000b2"];
  for (const id of [one, other]) await registerWorker(clone.database, { id, lanes: ["default"], slots: 1 });
  await engine.rows(sql`UPDATE workers SET seen_at = now() - interval '31 s'`);
  await touchWorker(clone.database, one);
  expect(await engine.rows(sql`SELECT status FROM workers ORDER BY id`)).toEqual([{ status: "up" }, { status: "lost" }]);
  await touchWorker(clone.database, other);
  expect(await engine.rows(sql`SELECT status FROM workers ORDER BY id`)).toEqual([{ status: "up" }, { status: "up" }]);
});
