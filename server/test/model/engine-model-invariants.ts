import { expect } from "vitest";
import { sql } from "../../src/db/sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { World } from "./engine-model-world.ts";

interface StageRow {
  readonly job_id: string;
  readonly stage: number;
  readonly kind: string;
  readonly status: string;
  readonly job_status: string;
  readonly open_tasks: number;
  readonly open_feeders: number;
  readonly items_in: number;
  readonly items_succeeded: number;
  readonly items_skipped: number;
  readonly items_dead: number;
  readonly items_moved: number;
  readonly dead_tasks: number;
}

interface TasksRow {
  readonly job_id: string;
  readonly stage: number;
  readonly open: number;
  readonly open_items: number;
  readonly dead: number;
  readonly entries: number;
  readonly distinct_entries: number;
}

/** What must be true after every step, whatever was done before it. */
export async function checkInvariants(engine: Engine, world: World): Promise<void> {
  const stages = await engine.rows<StageRow>(sql`
    SELECT job_stages.*, jobs.status AS job_status FROM job_stages JOIN jobs ON jobs.id = job_stages.job_id ORDER BY job_id, stage`);
  const tasks = await tasksByStage(engine);
  for (const row of stages) {
    const of = tasks.get(`${row.job_id}/${row.stage}`);
    const where = `stage ${row.stage} (${row.kind}) of job ${row.job_id}, ${row.job_status}`;
    // No task is open in an ended job, and no ended job has an open stage.
    if (row.job_status === "completed" || row.job_status === "failed") expect(row.status, where).toBe("closed");
    if (row.job_status !== "queued" && row.job_status !== "running") expect(of?.open ?? 0, where).toBe(0);
    if (row.status === "cancelled" || row.job_status === "cancelled") continue;
    expect(of?.open ?? 0, `open tasks of ${where}`).toBe(row.open_tasks);
    if (row.kind === "map") {
      const ended = row.items_succeeded + row.items_skipped + row.items_dead + row.items_moved;
      expect(ended + (of?.open_items ?? 0), `items of ${where}`).toBe(row.items_in);
      expect(of?.dead ?? 0, `dead items of ${where}`).toBe(row.items_dead);
      expect(of?.entries ?? 0, `an item in two open or dead tasks of ${where}`).toBe(of?.distinct_entries ?? 0);
    } else expect(of?.dead ?? 0, `dead reduces of ${where}`).toBe(row.dead_tasks);
    if (row.status === "closed") expect([row.open_tasks, row.open_feeders], where).toEqual([0, 0]);
  }
  await checkHolders(engine, world);
}

async function tasksByStage(engine: Engine): Promise<Map<string, TasksRow>> {
  const rows = await engine.rows<TasksRow>(sql`
    SELECT tasks.job_id, stage, count(*) FILTER (WHERE status IN ('waiting', 'ready', 'running')) AS open,
      coalesce(sum(items) FILTER (WHERE status IN ('waiting', 'ready', 'running')), 0) AS open_items,
      count(*) FILTER (WHERE status = 'dead') AS dead,
      sum(CASE WHEN kind = 'map' AND status IN ('waiting', 'ready', 'running', 'dead') THEN cardinality(ordinals) ELSE 0 END) AS entries,
      (SELECT count(DISTINCT (one.stage, ordinal, file, from_step))
        FROM tasks one JOIN task_inputs ON task_id = one.id CROSS JOIN LATERAL unnest(ordinals, files, from_steps) AS entry(ordinal, file, from_step)
        WHERE one.job_id = tasks.job_id AND one.stage = tasks.stage AND kind = 'map' AND status IN ('waiting', 'ready', 'running', 'dead')
      ) AS distinct_entries
    FROM tasks JOIN task_inputs ON task_id = id GROUP BY tasks.job_id, stage`);
  return new Map(rows.map((row) => [`${row.job_id}/${row.stage}`, row]));
}

/** A running task has one holder, who was given it under its current epoch; nobody else's lease runs. */
async function checkHolders(engine: Engine, world: World): Promise<void> {
  const rows = await engine.rows<{ id: string; epoch: number; status: string; worker_id: string | null; lease: boolean }>(
    sql`SELECT id, epoch, status, worker_id, lease_until IS NOT NULL AS lease FROM tasks`,
  );
  const holders = new Map(world.beliefs.map(({ task, workerId }) => [`${task.id}/${task.epoch}`, workerId]));
  for (const row of rows) {
    expect(row.lease, `the lease of task ${row.id}, ${row.status}`).toBe(row.status === "running");
    expect(row.epoch, `the epoch of task ${row.id}`).toBe(world.newest.get(row.id) ?? 0);
    if (row.status === "running") expect(holders.get(`${row.id}/${row.epoch}`), `who holds task ${row.id}`).toBe(row.worker_id);
  }
}

/** At the end, with all dead items retried and all work done well: every job is where its plan says. */
export async function checkEnds(engine: Engine, world: World): Promise<void> {
  for (const job of world.jobs) {
    const [row] = await engine.rows<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${job.id}::uuid`);
    const where = `${job.plan.name} over ${job.inputs} inputs`;
    expect(row?.status, where).toBe(job.cancelled ? "cancelled" : "completed");
    if (job.cancelled) continue;
    const stages = await engine.rows<StageRow>(sql`SELECT * FROM job_stages WHERE job_id = ${job.id}::uuid ORDER BY stage`);
    expect(
      stages.map((stage) => stage.items_in),
      where,
    ).toEqual(job.plan.itemsIn(job.inputs));
    expect(
      stages.map((stage) => stage.items_succeeded + stage.items_moved),
      where,
    ).toEqual(job.plan.itemsIn(job.inputs));
    const [reduces] = await engine.rows<{ count: number }>(sql`
      SELECT count(*) FROM tasks WHERE job_id = ${job.id}::uuid AND kind <> 'map' AND status = 'succeeded'`);
    expect(reduces?.count, `reduces of ${where}`).toBe(job.plan.reduces(job.inputs));
  }
}
