import { v7 as uuidv7 } from "uuid";
import { Problem } from "../../src/errors.ts";
import type { TaskOutcome } from "../../src/jobs/advance/outcome.ts";
import { cancelJob } from "../../src/jobs/cancel.ts";
import { retryJob } from "../../src/jobs/retry.ts";
import { startJobs } from "../../src/jobs/start.ts";
import { sql } from "../../src/db/sql.ts";
import { release } from "../../src/queue/release.ts";
import { adoptExpired, reapExpired } from "../../src/queue/reap.ts";
import type { ClaimedTask } from "../../src/queue/task.ts";
import type { Engine } from "../engine/engine.ts";
import type { ServerAge } from "../engine/server-age.ts";
import { outcomeOf, type FailureOf, type ModelPlan } from "./engine-model.ts";

/** One job as the test knows it, beside what the database says. */
export interface ModelJob {
  readonly id: string;
  readonly tenantId: string;
  readonly plan: ModelPlan;
  readonly inputs: number;
  cancelled: boolean;
}

/** A task in the hands of a worker that believes to have it, rightly or not. */
export interface Belief {
  readonly task: ClaimedTask;
  readonly workerId: string;
}

/**
 * The real statements, driven by a test that keeps its own account: who was given which task under which epoch, and
 * whose settlement was let through. `beliefs` also keeps those that were lost, so that zombies can come back.
 */
export interface World {
  readonly jobs: ModelJob[];
  readonly beliefs: Belief[];
  /** `task/epoch` pairs that took effect; none may do so twice. */
  readonly effects: Set<string>;
  /** The newest epoch that each task was handed out under. */
  readonly newest: Map<string, number>;
  submit(plan: ModelPlan, inputs: number): Promise<void>;
  claim(workerId: string, want: number): Promise<readonly Belief[]>;
  succeed(beliefs: readonly Belief[], failure?: FailureOf): Promise<void>;
  crash(belief: Belief, culprit: number | undefined): Promise<void>;
  release(belief: Belief): Promise<void>;
  expire(taskIds: readonly string[]): Promise<void>;
  reap(): Promise<void>;
  cancel(job: ModelJob): Promise<void>;
  retry(job: ModelJob): Promise<void>;
}

const UNDERTAKER = "00000000-0000-4000-8000-0000000000ff";

export function openWorld(engine: Engine, server: ServerAge, tenants: readonly string[]): World {
  const { database } = engine;
  const world: World = {
    jobs: [],
    beliefs: [],
    effects: new Set(),
    newest: new Map(),
    async submit(plan, inputs) {
      const tenantId = tenants[world.jobs.length % tenants.length] ?? "";
      const id = await engine.submit(tenantId, plan.plan, await engine.files(tenantId, inputs));
      world.jobs.push({ id, tenantId, plan, inputs, cancelled: false });
    },
    async claim(workerId, want) {
      const claimed = believe(await engine.claim({ workerId, want }), workerId);
      await database.asSystem((transaction) => startJobs(transaction, [...new Set(claimed.map(({ task }) => task.jobId))].toSorted()));
      return claimed;
    },
    async succeed(beliefs, failure) {
      await settle(beliefs, (task) => outcomeOf(task, planOf(task), emit, failure));
    },
    async crash(belief, culprit) {
      const failure = { class: "crashed" as const, code: "crashed" as const, message: "the host died" };
      await settle([belief], () => ({ type: "failed", failure, step: null, culprit }));
    },
    async release({ task, workerId }) {
      const leases = [{ taskId: task.id, epoch: task.epoch }];
      const held = await database.asSystem((transaction) => release(transaction, { workerId, leases, delayMs: 0 }));
      mustBeNewest(task, held.has(task.id));
    },
    async expire(taskIds) {
      await engine.rows(
        sql`UPDATE tasks SET lease_until = now() - interval '1 ms' WHERE id = ANY(${taskIds}::uuid[]) AND status = 'running'`,
      );
    },
    async reap() {
      await server.asSystem(reapExpired);
      const adopted = believe(await server.asSystem((transaction) => adoptExpired(transaction, UNDERTAKER)), UNDERTAKER);
      const failure = { class: "lost" as const, code: "lost" as const, message: "lost too often" };
      await settle(adopted, () => ({ type: "failed", failure, step: null, culprit: undefined }));
    },
    async cancel(job) {
      await unlessConflict(cancelJob(database, { tenantId: job.tenantId, jobId: job.id, actor: "key_model" }));
      const [row] = await engine.rows<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${job.id}::uuid`);
      job.cancelled = row?.status === "cancelled";
    },
    async retry(job) {
      await unlessConflict(retryJob(database, { tenantId: job.tenantId, jobId: job.id, actor: "key_model" }));
    },
  };

  function believe(tasks: readonly ClaimedTask[], workerId: string): Belief[] {
    for (const task of tasks) {
      if ((world.newest.get(task.id) ?? 0) >= task.epoch) throw new Error(`task ${task.id} was handed out twice under epoch ${task.epoch}`);
      world.newest.set(task.id, task.epoch);
    }
    const beliefs = tasks.map((task) => ({ task, workerId }));
    world.beliefs.push(...beliefs);
    return beliefs;
  }

  /** Settles whatever the workers bring, one transaction a worker, and checks that only the newest holder was let through. */
  async function settle(beliefs: readonly Belief[], outcome: (task: ClaimedTask) => TaskOutcome): Promise<void> {
    for (const [workerId, mine] of Map.groupBy(beliefs, (belief) => belief.workerId)) {
      const tasks = [...new Map(mine.map(({ task }) => [task.id, task])).values()];
      const held = await engine.settle(tasks, outcome, workerId);
      for (const task of tasks) {
        mustBeNewest(task, held.has(task.id));
        const effect = `${task.id}/${task.epoch}`;
        if (!held.has(task.id)) continue;
        if (world.effects.has(effect)) throw new Error(`${effect} took effect twice`);
        world.effects.add(effect);
      }
    }
  }

  function mustBeNewest(task: ClaimedTask, held: boolean): void {
    if (held && world.newest.get(task.id) !== task.epoch) throw new Error(`the stale claim ${task.id}/${task.epoch} was let through`);
  }

  const planOf = (task: ClaimedTask) => {
    const job = world.jobs.find((one) => one.id === task.jobId);
    if (!job) throw new Error(`task ${task.id} belongs to no job`);
    return job.plan.plan;
  };
  return world;
}

function emit(step: string, count: number) {
  return Array.from({ length: count }, () => ({ step, fileId: uuidv7(), sizeBytes: 10 }));
}

/** A job that has ended can't be cancelled, one without dead items not retried: asked at random, that is an answer too. */
async function unlessConflict(change: Promise<unknown>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "conflict") throw error;
  }
}
