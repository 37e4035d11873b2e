import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JobStatus, TaskStatus } from "@filemill/contract/status.ts";
import { sql } from "../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { openServerAge } from "../../test/engine/server-age.ts";
import { MODEL_PLANS } from "../../test/model/engine-model.ts";
import { openWorld, type World } from "../../test/model/engine-model-world.ts";
import { isLegalJobEdge, isLegalTaskEdge, JOB_EDGES, TASK_EDGES } from "./state.ts";

// The table of legal edges against the statements that make them: a trigger, which only this test's clone has, writes
// down every change of a status while random work is done.

let clone: ClonedDatabase;
let engine: Engine;
let world: World;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  await recordEdges(clone.adminUrl);
  const tenants = [await engine.tenant(), await engine.tenant()];
  world = openWorld(engine, await openServerAge(clone), tenants);
  await everyKindOfEnd();
  for (let round = 0; round < 12; round++) await randomRound(round);
});
afterAll(() => clone.close());

async function recordEdges(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(`
    SET search_path = filemill;
    CREATE TABLE edges (of text NOT NULL, from_status text NOT NULL, to_status text NOT NULL);
    CREATE FUNCTION record_edge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = filemill AS $$
      BEGIN INSERT INTO edges VALUES (TG_TABLE_NAME, coalesce(OLD.status, ''), NEW.status); RETURN NULL; END $$;
    CREATE FUNCTION record_birth() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = filemill AS $$
      BEGIN INSERT INTO edges VALUES (TG_TABLE_NAME, '', NEW.status); RETURN NULL; END $$;
    CREATE TRIGGER edge AFTER UPDATE ON jobs FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION record_edge();
    CREATE TRIGGER edge AFTER UPDATE ON tasks FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION record_edge();
    CREATE TRIGGER birth AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION record_birth();
    CREATE TRIGGER birth AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION record_birth();
    GRANT SELECT ON edges TO filemill_system`);
  await client.end();
}

const WORKER = "00000000-0000-4000-8000-000000000001";
const planAt = (index: number) => MODEL_PLANS[index % MODEL_PLANS.length] ?? missing("plan");
const lastJob = () => world.jobs.at(-1) ?? missing("job");

function missing(what: string): never {
  throw new Error(`there is no ${what}`);
}

/** The ends that chance alone might leave out. */
async function everyKindOfEnd(): Promise<void> {
  // A job without inputs ends where it begins.
  await world.submit(planAt(0), 0);
  // Cancelled while it is queued, with all its tasks ready.
  await world.submit(planAt(0), 9);
  await world.cancel(lastJob());
  // Cancelled while one task runs; the others are ready.
  await world.submit(planAt(0), 9);
  await world.claim(WORKER, 1);
  await world.cancel(lastJob());
  // Fails, is retried, and fails again at once; then is cancelled as a running one.
  await world.submit(planAt(3), 5);
  await world.succeed(await world.claim(WORKER, 9), () => "bad_input");
  await world.retry(lastJob());
  await world.succeed(await world.claim(WORKER, 9), () => "bad_input");
  await world.retry(lastJob());
  await world.cancel(lastJob());
}

/** Numbers that look random and are the same in each run: the point here is what happens, not surprise. */
function chance(round: number): () => number {
  let state = round * 7_919 + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

async function randomRound(round: number): Promise<void> {
  const random = chance(round);
  await world.submit(planAt(round), 1 + Math.floor(random() * 12));
  await world.submit(planAt(round + 3), 1 + Math.floor(random() * 12));
  for (let step = 0; step < 14; step++) {
    const held = await world.claim(WORKER, 1 + Math.floor(random() * 6));
    const [first, ...rest] = held;
    const dice = random();
    if (first && dice < 0.15) await world.release(first);
    else if (first && dice < 0.3) await world.crash(first, dice < 0.22 ? 0 : undefined);
    else if (first && dice < 0.4) await world.expire([first.task.id]);
    else if (first) await world.succeed([first], () => (random() < 0.3 ? "crashed" : undefined));
    await world.succeed(rest, () => (random() < 0.15 ? "bad_input" : undefined));
    await world.reap();
    await engine.skipBackoffs();
    const job = world.jobs[Math.floor(random() * world.jobs.length)];
    if (job && random() < 0.1) await world.cancel(job);
    else if (job && random() < 0.3) await world.retry(job);
    // What was lost comes back as well.
    const zombie = world.beliefs[Math.floor(random() * world.beliefs.length)];
    if (zombie) await world.succeed([zombie]);
  }
}

async function edgesOf(table: "jobs" | "tasks"): Promise<string[]> {
  const rows = await engine.rows<{ edge: string }>(
    sql`SELECT DISTINCT from_status || ' → ' || to_status AS edge FROM edges WHERE of = ${table} ORDER BY 1`,
  );
  return rows.map((row) => row.edge);
}

const tableOf = (edges: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(edges).flatMap(([from, all]) => all.map((to) => `${from} → ${to}`));

/** Legal, but nothing of today's engine makes them. */
const NOT_YET = {
  // A job fails by a task that ran, and a task that runs has made its job running.
  jobs: ["queued → failed"],
};

describe("every change of a status that the engine makes", () => {
  test("is a legal edge, and every legal edge is made: jobs", async () => {
    const seen = (await edgesOf("jobs")).filter((edge) => !edge.startsWith(" → "));
    expect(seen.toSorted()).toEqual(
      tableOf(JOB_EDGES)
        .filter((edge) => !NOT_YET.jobs.includes(edge))
        .toSorted(),
    );
    expect((await edgesOf("jobs")).filter((edge) => edge.startsWith(" → "))).toEqual([" → queued"]);
  });

  test("is a legal edge, and every legal edge is made: tasks", async () => {
    const seen = (await edgesOf("tasks")).filter((edge) => !edge.startsWith(" → "));
    expect(seen.toSorted()).toEqual(tableOf(TASK_EDGES).toSorted());
    // waiting: a later run. dead from the start: an item that leaves its batch to die alone, a reduce whose input is dead.
    expect((await edgesOf("tasks")).filter((edge) => edge.startsWith(" → "))).toEqual([" → dead", " → ready", " → waiting"]);
  });

  test("out of a terminal status was asked for: each is a retry in the audit log", async () => {
    const [row] = await engine.rows<{ reopened: number; retries: number }>(sql`
      SELECT (SELECT count(*) FROM edges WHERE of = 'jobs' AND from_status = 'failed') AS reopened,
        (SELECT count(*) FROM audit_entries WHERE action = 'job.retry') AS retries`);
    expect(row?.reopened).toBeGreaterThan(0);
    expect(row?.retries).toBeGreaterThanOrEqual(row?.reopened ?? 0);
    const [tasks] = await engine.rows<{ reopened: number; told: number }>(sql`
      SELECT (SELECT count(*) FROM edges WHERE of = 'tasks' AND from_status = 'dead') AS reopened,
        (SELECT sum((detail->>'tasks')::int) FROM audit_entries WHERE action = 'job.retry') AS told`);
    expect(tasks?.reopened).toBe(tasks?.told);
  });
});

test("the questions about edges answer as the table says", () => {
  const jobs = Object.keys(JOB_EDGES) as JobStatus[];
  for (const from of jobs) for (const to of jobs) expect(isLegalJobEdge(from, to)).toBe(tableOf(JOB_EDGES).includes(`${from} → ${to}`));
  const tasks = Object.keys(TASK_EDGES) as TaskStatus[];
  for (const from of tasks) for (const to of tasks) expect(isLegalTaskEdge(from, to)).toBe(tableOf(TASK_EDGES).includes(`${from} → ${to}`));
});
