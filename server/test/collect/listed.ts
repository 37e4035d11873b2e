import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import pino from "pino";
import { v7 as uuidv7 } from "uuid";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { TaskOutcome } from "../../src/jobs/advance/outcome.ts";
import { getJob } from "../../src/jobs/queries.ts";
import type { Source, Sources } from "../../src/jobs/sources/source.ts";
import { claim } from "../../src/queue/claim.ts";
import { FIRST_CURSOR } from "../../src/queue/ring.ts";
import type { ClaimedTask } from "../../src/queue/task.ts";
import { openCommitter } from "../../src/worker/committer.ts";
import { runSource } from "../../src/worker/run-source.ts";
import type { TaskServices } from "../../src/worker/task-services.ts";
import type { Engine } from "../engine/engine.ts";

/** A source of so many objects that are not there: it is listed for real, and what would be fetched is said to be done. */
export function countingSource(objects: number): Sources {
  const source: Source = {
    async *pages(cursor) {
      for (let next = Number(cursor?.["next"] ?? 0); next < objects; next += 1_000) {
        const count = Math.min(1_000, objects - next);
        const inputs = Array.from({ length: count }, (_unused, index) => {
          const number = next + index;
          return { location: `https://example.org/${number}.txt`, name: `${number}.txt`, sizeBytes: 1_000, etag: `"${number}"` };
        });
        yield { inputs, cursor: { next: next + count } };
      }
    },
    collect: () => Promise.reject(new Error("nothing is fetched here")),
  };
  const fetch = () => Promise.reject(new Error("nothing is fetched here"));
  return { open: () => Promise.resolve(source), fetch, close: () => Promise.resolve() };
}

export interface Drained {
  /** The most items that were open at once. */
  readonly mostOpen: number;
  /** As the job showed it, after each round. */
  readonly progress: readonly number[];
  /** Bytes in use, after garbage collection, beyond those after the first pages; at most. */
  readonly grownBytes: number;
}

const WORKER = "00000000-0000-4000-8000-0000000000bb";

/** Works a job off with the engine's own statements, listing its source whenever that is ready. */
export async function drainSource(engine: Engine, job: { tenantId: string; jobId: string; sources: Sources }): Promise<Drained> {
  const { database } = engine;
  const committer = openCommitter({
    database,
    contents: NO_CONTENTS,
    workerId: WORKER,
    log: pino({ level: "silent" }),
    onSettled: () => {},
  });
  // What listing a source asks for; it touches neither hosts nor content.
  const services = { database, committer, sources: job.sources, workerId: WORKER, announce: () => {} } as unknown as TaskServices;
  const progress: number[] = [];
  let mostOpen = 0;
  let grownBytes = 0;
  let before: number | undefined;
  for (let round = 0; ; round++) {
    await engine.skipBackoffs();
    const { tasks } = await database.asSystem((transaction) =>
      claim(transaction, { workerId: WORKER, lane: "default", want: 64, cursor: FIRST_CURSOR }),
    );
    if (tasks.length === 0) break;
    for (const task of tasks.filter(({ kind }) => kind === "source")) {
      await runSource(services, { task, plan: await planOf(database, task) }, new AbortController().signal);
      mostOpen = Math.max(mostOpen, await openItems(engine, job.jobId));
    }
    const rest = tasks.filter(({ kind }) => kind !== "source");
    if (rest.length > 0) await engine.settle(rest, done, WORKER);
    if (round % 8 !== 0) continue;
    progress.push((await getJob(database, job)).progress);
    const used = bytesInUse();
    before ??= used;
    grownBytes = Math.max(grownBytes, used - before);
  }
  await committer.close();
  return { mostOpen, progress, grownBytes };
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

function bytesInUse(): number {
  if (typeof collect === "function") collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const NO_CONTENTS = { discard: () => Promise.resolve() } as unknown as TaskServices["contents"];

/** Collecting gives a file for each entry, the pipeline's only step another one. */
function done(task: ClaimedTask): TaskOutcome {
  const step = task.stage === 1 ? "" : "a";
  const file = () => ({ step, fileId: uuidv7(), sizeBytes: 1_000 });
  return { type: "done", results: task.entries.map(() => ({ ok: true as const, outputs: [file()] })) };
}

async function planOf(database: Database, task: ClaimedTask) {
  const rows = await database.asSystem((transaction) =>
    transaction.query<{ plan: Parameters<typeof runSource>[1]["plan"] }>(
      sql`SELECT plan FROM job_specs WHERE job_id = ${task.jobId}::uuid`,
    ),
  );
  const [row] = rows;
  if (!row) throw new Error("the job has no plan");
  return row.plan;
}

async function openItems(engine: Engine, jobId: string): Promise<number> {
  const [row] = await engine.rows<{ open: number }>(sql`
    SELECT sum(items_in - items_succeeded - items_skipped - items_dead - items_moved)::bigint AS open FROM job_stages WHERE job_id = ${jobId}::uuid AND kind = 'map'`);
  return row?.open ?? 0;
}
