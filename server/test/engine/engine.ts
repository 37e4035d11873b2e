import { randomUUID } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import type { JobSource } from "@filemill/contract/source.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { EntryOutcome, FinishedTask, TaskOutcome } from "../../src/jobs/advance/outcome.ts";
import { settle } from "../../src/jobs/advance/settle.ts";
import type { Plan } from "../../src/jobs/plan.ts";
import { submitJob } from "../../src/jobs/submit.ts";
import { claim } from "../../src/queue/claim.ts";
import { hold } from "../../src/queue/hold.ts";
import { FIRST_CURSOR, type Cursor } from "../../src/queue/ring.ts";
import type { ClaimedTask, Entry } from "../../src/queue/task.ts";

/** Drives the engine's real statements without step hosts: what a task's entries become is told by the test. */
export interface Engine {
  readonly database: Database;
  tenant(options?: { weight?: number; maxRunning?: number }): Promise<string>;
  /** Input files as rows only; nothing here reads bytes. */
  files(tenantId: string, count: number, sizeBytes?: number): Promise<string[]>;
  submit(tenantId: string, plan: Plan, files: readonly string[], options?: { priority?: number; source?: JobSource }): Promise<string>;
  claim(options?: { workerId?: string; lane?: string; want?: number; cursor?: Cursor }): Promise<readonly ClaimedTask[]>;
  /** Ends tasks as a worker would; the ids of those that the fence let through. */
  settle(tasks: readonly ClaimedTask[], outcome: (task: ClaimedTask) => TaskOutcome, workerId?: string): Promise<Set<string>>;
  /** Claims and settles until nothing is ready; the number of tasks run. */
  drain(outcome?: (task: ClaimedTask) => TaskOutcome): Promise<number>;
  /** Ends all backoffs now, so that no test waits. */
  skipBackoffs(): Promise<void>;
  rows<Row>(statement: ReturnType<typeof sql>): Promise<Row[]>;
}

export const WORKER = "00000000-0000-4000-8000-0000000000aa";

export function openEngine(database: Database): Engine {
  const engine: Engine = {
    database,
    async tenant(options = {}) {
      const id = uuidv7();
      await database.asSystem((transaction) =>
        transaction.execute(sql`
          INSERT INTO tenants (id, name, weight, max_running)
          VALUES (${id}::uuid, ${randomUUID()}, ${options.weight ?? 1}, ${options.maxRunning ?? null})`),
      );
      return id;
    },
    async files(tenantId, count, sizeBytes = 10) {
      const ids = Array.from({ length: count }, () => uuidv7());
      await database.asTenant(tenantId, (transaction) => insertFileRows(transaction, { tenantId, ids, sizeBytes }));
      return ids;
    },
    async submit(tenantId, plan, files, options = {}) {
      const job = await database.asTenant(tenantId, (transaction) =>
        submitJob(transaction, {
          tenantId,
          pipeline: { name: "test", version: null, document: { steps: {} }, params: {}, plan },
          inputs: files.map((fileId) => ({ fileId, sizeBytes: 10 })),
          ...(options.source && { source: options.source }),
          priority: options.priority ?? 0,
          metadata: {},
        }),
      );
      return job.jobId;
    },
    async claim({ workerId = WORKER, lane = "default", want = 16, cursor = FIRST_CURSOR } = {}) {
      return (await database.asSystem((transaction) => claim(transaction, { workerId, lane, want, cursor }))).tasks;
    },
    async settle(tasks, outcome, workerId = WORKER) {
      const plans = await plansOf(database, tasks);
      return await database.asSystem(async (transaction) => {
        const held = await hold(
          transaction,
          workerId,
          tasks.map((task) => ({ taskId: task.id, epoch: task.epoch })),
        );
        const finished: FinishedTask[] = tasks
          .filter((task) => held.has(task.id))
          .map((task) => ({ task, plan: plans.get(task.jobId) ?? { stages: [] }, outcome: outcome(task) }));
        await insertOutputRows(transaction, finished);
        if (finished.length > 0) await settle(transaction, finished);
        return held;
      });
    },
    async drain(outcome = succeed(engine)) {
      let count = 0;
      for (;;) {
        await engine.skipBackoffs();
        const tasks = await engine.claim({ want: 64 });
        if (tasks.length === 0) return count;
        count += tasks.length;
        await engine.settle(tasks, outcome);
      }
    },
    async skipBackoffs() {
      await database.asSystem((transaction) => transaction.execute(sql`UPDATE tasks SET backing_off = false WHERE backing_off`));
    },
    rows: (statement) => database.asSystem((transaction) => transaction.query(statement)),
  };
  return engine;
}

/** Every kept step emits one file for each entry that reaches it; reduces emit one. */
export function succeed(_engine: Engine): (task: ClaimedTask) => TaskOutcome {
  return (task) => ({ type: "done", results: task.kind === "map" ? task.entries.map(() => emitted()) : [emitted()] });
}

/** One new file from step `last` (and from every other step that the test's plan marks as feeding on). */
export function emitted(step = "a", count = 1): EntryOutcome {
  return { ok: true, outputs: Array.from({ length: count }, () => ({ step, fileId: uuidv7(), sizeBytes: 10 })) };
}

export function failed(failure: Partial<{ class: "bad_input" | "crashed" | "timeout"; step: string }> = {}): EntryOutcome {
  return { ok: false, step: failure.step ?? "a", failure: { class: failure.class ?? "crashed", code: "crashed", message: "as told" } };
}

export function map(results: (entry: Entry, index: number) => EntryOutcome): (task: ClaimedTask) => TaskOutcome {
  return (task) => ({ type: "done", results: task.entries.map(results) });
}

async function plansOf(database: Database, tasks: readonly ClaimedTask[]): Promise<Map<string, Plan>> {
  const rows = await database.asSystem((transaction) =>
    transaction.query<{ job_id: string; plan: Plan }>(
      sql`SELECT job_id, plan FROM job_specs WHERE job_id = ANY(${tasks.map((task) => task.jobId)}::uuid[])`,
    ),
  );
  return new Map(rows.map((row) => [row.job_id, row.plan]));
}

type Files = { tenantId: string; ids: readonly string[]; sizeBytes: number };

async function insertFileRows(
  transaction: { execute(statement: ReturnType<typeof sql>): Promise<number> },
  { tenantId, ids, sizeBytes }: Files,
) {
  await transaction.execute(sql`
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
    SELECT id, ${tenantId}::uuid, 'file', ${sizeBytes}, sha256(id::text::bytea), 'text/plain', 'upload' FROM unnest(${ids}::uuid[]) AS id`);
}

async function insertOutputRows(transaction: Parameters<typeof insertFileRows>[0], finished: readonly FinishedTask[]): Promise<void> {
  for (const { task, outcome } of finished) {
    if (outcome.type !== "done") continue;
    const ids = outcome.results.flatMap((result) => (result.ok ? result.outputs.map((output) => output.fileId) : []));
    await insertFileRows(transaction, { tenantId: task.tenantId, ids, sizeBytes: 10 });
  }
}
