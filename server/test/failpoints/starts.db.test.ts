import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { encodeId } from "@filemill/contract/ids.ts";
import { sql } from "../../src/db/sql.ts";
import { placeOrder } from "../../src/jobs/place-order.ts";
import { putPipeline } from "../../src/jobs/pipelines/store.ts";
import { putSchedule } from "../../src/jobs/schedules/put-schedule.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine, type Engine } from "../engine/engine.ts";
import { toyCatalogue } from "../toy-catalogue.ts";
import { compileCache } from "../warm-compile-cache.ts";
import { IN_STARTS } from "./places.ts";
import { startWhatIsDue } from "./start-what-is-due.ts";

/**
 * A process is killed while it starts what is due: a schedule, a pipeline with a trigger over a new file, a job behind
 * another. The next one starts what is left, and each has started exactly once.
 */
const PROGRAM = fileURLToPath(new URL("starts.ts", import.meta.url));
const PIPELINE = { steps: { a: { use: "toy.pass" } } };

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());

beforeEach(async () => {
  tenantId = await engine.tenant();
  const services = { database: clone.database, catalogue: toyCatalogue() };
  const document = { ...PIPELINE, triggers: [{ on: "file.stored" as const }] };
  await clone.database.asTenant(tenantId, (transaction) => putPipeline(transaction, { tenantId, name: "triggered", document }));
  const [file = ""] = await engine.files(tenantId, 1);
  await clone.database.asTenant(tenantId, async (transaction) => {
    const order = { tenantId, actor: "key_x", pipeline: PIPELINE, inputs: [encodeId("file", file)] };
    const first = await placeOrder(transaction, services.catalogue, { ...order, metadata: { is: "first" } });
    const after = { jobs: [encodeId("job", first.jobId)], policy: "completed" as const, inputsFrom: [] };
    await placeOrder(transaction, services.catalogue, { ...order, after, metadata: { is: "behind" } });
  });
  const request = { cron: "0 * * * *", pipeline: PIPELINE, inputs: [encodeId("file", file)], metadata: { is: "scheduled" } };
  await putSchedule(services, { tenantId, actor: "key_x", request, key: { name: "due" }, mode: "new" });
  // All of it is due now.
  await engine.rows(sql`UPDATE schedules SET next_run_at = date_trunc('hour', now()) WHERE tenant_id = ${tenantId}::uuid AND name = 'due'`);
  await engine.rows(sql`UPDATE arrived_files SET arrived_at = now() - interval '1 minute'`);
  await engine.rows(sql`
    UPDATE jobs SET status = 'completed', finished_at = now() FROM job_specs
    WHERE job_id = id AND jobs.tenant_id = ${tenantId}::uuid AND metadata->>'is' = 'first'`);
});

async function startAsProcess(failpoints: string): Promise<NodeJS.Signals | number | null> {
  const child = spawn(process.execPath, [PROGRAM, clone.url, tenantId, failpoints], {
    env: { PATH: process.env["PATH"], ...compileCache() },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return signal ?? code;
}

/** Jobs with tasks, by what made them. */
async function started(): Promise<Record<string, number>> {
  const rows = await engine.rows<{ what: string; jobs: number }>(sql`
    SELECT coalesce(metadata->>'is', metadata->>'trigger') AS what, count(DISTINCT jobs.id) AS jobs
    FROM jobs JOIN job_specs ON job_specs.job_id = jobs.id JOIN tasks ON tasks.job_id = jobs.id
    WHERE jobs.tenant_id = ${tenantId}::uuid GROUP BY 1`);
  return Object.fromEntries(rows.map(({ what, jobs }) => [what, jobs]));
}

const ALL_ONCE = { first: 1, behind: 1, scheduled: 1, triggered: 1 };
/** What had become true when the process died. */
const BY_THEN: Readonly<Record<(typeof IN_STARTS)[number], Record<string, number>>> = {
  "schedule-put-before-commit": { first: 1 },
  "schedule-before-commit": { first: 1 },
  "schedule-after-commit": { first: 1, scheduled: 1 },
  "trigger-before-commit": { first: 1, scheduled: 1 },
  "trigger-after-commit": { first: 1, scheduled: 1, triggered: 1 },
  "wait-before-commit": { first: 1, scheduled: 1, triggered: 1 },
  "wait-after-commit": ALL_ONCE,
};

test.each(IN_STARTS)("killed at %s, everything starts exactly once in the end", async (failpoint) => {
  expect(await startAsProcess(`${failpoint}:kill`)).toBe("SIGKILL");
  expect(await started()).toEqual(BY_THEN[failpoint]);
  await startWhatIsDue(clone.database, tenantId);
  await startWhatIsDue(clone.database, tenantId);
  expect(await started()).toEqual(ALL_ONCE);
  const schedules = await engine.rows<{ name: string }>(sql`SELECT name FROM schedules WHERE tenant_id = ${tenantId}::uuid ORDER BY name`);
  expect(schedules.map(({ name }) => name)).toEqual(["due", "put"]);
});
