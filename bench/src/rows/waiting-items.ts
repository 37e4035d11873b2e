import { randomUUID } from "node:crypto";
import pg from "pg";
import { openDatabase, type Database } from "@filemill/server/src/db/database.ts";
import { claim } from "@filemill/server/src/queue/claim.ts";
import { FIRST_CURSOR } from "@filemill/server/src/queue/ring.ts";
import { startCluster, type BenchCluster } from "../cluster.ts";
import { measure, quantile, report, type Contestant } from "../measure.ts";
import { LANE } from "../ours/noop-job.ts";

const WANT = 16;
/** Fewer than are waiting in the smallest case, so that every claim finds its 16. */
const CLAIMS_A_ROUND = 50;

/** One claim of 16 tasks, with ever more of them waiting. It must not get slower. */
export async function waitingItems({ rounds }: { rounds: number }): Promise<void> {
  const cluster = await startCluster();
  try {
    const contestants = [
      await waiting(cluster, { tasks: 1_000, tenants: 1 }),
      await waiting(cluster, { tasks: 1_000_000, tenants: 1 }),
      await waiting(cluster, { tasks: 1_000_000, tenants: 1_000 }),
    ];
    const row = { name: "waiting-items", unit: `ms p50 a claim of ${WANT}`, better: "lower" as const, rounds, contestants };
    report(row, await measure(row));
  } finally {
    await cluster.close();
  }
}

async function waiting(cluster: BenchCluster, size: { tasks: number; tenants: number }): Promise<Contestant> {
  const { url, adminUrl } = await cluster.ourDatabase();
  const admin = new pg.Client({ connectionString: adminUrl });
  const database = openDatabase({ url, applicationName: "bench" });
  const count = (number: number) => number.toLocaleString("en");
  return {
    name: `${count(size.tasks)} waiting, ${count(size.tenants)} tenant${size.tenants === 1 ? "" : "s"}`,
    async setUp() {
      await admin.connect();
      await fill(admin, size);
    },
    async measure() {
      const times = await claims(database);
      // What was claimed waits again, and what that left behind is cleaned, off the clock.
      await admin.query("UPDATE filemill.tasks SET status = 'ready', worker_id = NULL, lease_until = NULL WHERE status = 'running'");
      await admin.query("VACUUM filemill.tasks");
      return quantile(times, 0.5);
    },
    async takeDown() {
      await database.close();
      await admin.end();
    },
  };
}

async function claims(database: Database): Promise<number[]> {
  const times: number[] = [];
  const workerId = randomUUID();
  let cursor = FIRST_CURSOR;
  for (let turn = 0; turn < CLAIMS_A_ROUND; turn++) {
    const started = performance.now();
    const from = cursor;
    const claimed = await database.asSystem((transaction) => claim(transaction, { workerId, lane: LANE, want: WANT, cursor: from }));
    times.push(performance.now() - started);
    if (claimed.tasks.length !== WANT) throw new Error(`A claim found ${claimed.tasks.length} tasks where ${WANT} were waiting`);
    cursor = claimed.cursor;
  }
  return times;
}

/** Straight into the tables: how the tasks came there is another row. */
async function fill(admin: pg.Client, { tasks, tenants }: { tasks: number; tenants: number }): Promise<void> {
  await admin.query("SET search_path = filemill");
  await admin.query("INSERT INTO tenants (id, name) SELECT gen_random_uuid(), 'bench ' || n FROM generate_series(1, $1::int) n", [tenants]);
  await admin.query(
    `WITH numbered AS (SELECT id, row_number() OVER () - 1 AS no FROM tenants)
     INSERT INTO tasks (id, tenant_id, job_id, stage, kind, lane, status, items, item_from, item_to)
     SELECT gen_random_uuid(), numbered.id, numbered.id, 0, 'map', '${LANE}', 'ready', 1, n, n
     FROM generate_series(1, $1::int) n JOIN numbered ON numbered.no = n % $2::int`,
    [tasks, tenants],
  );
  await admin.query(`INSERT INTO task_inputs (task_id, tenant_id, job_id, ordinals, parents, files, from_steps)
    SELECT id, tenant_id, job_id, ARRAY[item_from], '{-1}', ARRAY[gen_random_uuid()], '{""}' FROM tasks`);
  await admin.query("VACUUM ANALYZE tasks, task_inputs");
}
