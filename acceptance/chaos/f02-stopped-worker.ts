import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Verdict } from "./checker.ts";
import { until } from "./conditions.ts";
import { intend, stamping } from "./load-client.ts";
import { uuidOf } from "./public-id.ts";
import { play } from "./scenario.ts";
import type { SiteOptions } from "./site.ts";
import { openTcpProxy } from "./tcp-proxy.ts";

const TWO_LEASES_MS = 30_000;
/** The fence of a commit, on its way to the database. */
const COMMIT_BEGINS = /SELECT id, epoch FROM tasks\s/;

/**
 * F02. A worker is stopped (SIGSTOP) for two leases with two tasks in its hands: the commit of one is on the wire and not
 * yet at the database, the other still runs. Another worker takes both over and ends them. Then the first goes on, and its
 * commit arrives. It is stopped for `stoppedMs` at least, two leases unless told, and until the other has ended both.
 */
export async function stoppedWorker(options: SiteOptions & { stoppedMs?: number }): Promise<Verdict> {
  const { stoppedMs = TWO_LEASES_MS } = options;
  return await play("F02", options, async ({ site, poller, window, client, atEnd }) => {
    let commitHeld = false;
    const proxy = await openTcpProxy({
      targetPort: site.database.port,
      onRequest(chunk) {
        if (commitHeld || !COMMIT_BEGINS.test(chunk.toString("latin1"))) return "pass";
        commitHeld = true;
        return "hold";
      },
    });
    atEnd(() => proxy.close());
    const first = await site.startWorker({ slots: 2, databasePort: proxy.port });
    const load = await client("only");
    const intent = intend("f02", [40_000, 50_000], {
      pipeline: stamping(300, { slow_ms: 4_000 }),
      name: (index) => (index === 0 ? "quick.bin" : "slow.bin"),
    });
    const { job_id: jobId = "" } = await load.submit(intent);
    poller.watch(jobId, 2);
    await until("the commit of the first task is on its way", 20_000, () => commitHeld);
    first.signal("SIGSTOP");
    const stoppedAt = performance.now();
    expect(await objectsOfEpoch(site.storeFolder, 1)).toHaveLength(1);
    const held = await tasksOf(site.database, jobId);
    expect(held).toMatchObject([
      { status: "running", worker_id: first.id },
      { status: "running", worker_id: first.id },
    ]);

    const second = await site.startWorker({ slots: 2 });
    await until("the second worker has ended both", 60_000, async () =>
      (await tasksOf(site.database, jobId)).every(({ status, worker_id }) => status === "succeeded" && worker_id === second.id),
    );
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, stoppedAt + stoppedMs - performance.now())));
    const before = await tasksOf(site.database, jobId);
    window.open();
    first.signal("SIGCONT");
    proxy.release();
    window.close();

    // What it stored under its own epoch has no row and is collected by itself.
    await until(
      "the outputs of the stopped worker are gone",
      10_000,
      async () => (await objectsOfEpoch(site.storeFolder, 1)).length === 0,
    ).catch(() => undefined);
    // It is of use again: alone it takes new work. Until then everything that it had in mind has reached the database.
    second.signal("SIGTERM");
    await second.ended;
    const again = await load.submit(intend("f02-again", [30_000], { pipeline: stamping(10) }));
    poller.watch(again.job_id ?? "", 1);
    await until("the first worker takes new work", 30_000, async () =>
      (await tasksOf(site.database, again.job_id ?? "")).every(({ status }) => status === "succeeded"),
    ).catch(() => undefined);
    expect(await tasksOf(site.database, jobId)).toEqual(before);
    expect(before).toMatchObject([
      { epoch: 2, attempts: 0, losses: 1 },
      { epoch: 2, attempts: 0, losses: 1 },
    ]);
    expect(await objectsOfEpoch(site.storeFolder, 1)).toHaveLength(1);
  });
}

interface TaskRow {
  readonly status: string;
  readonly epoch: number;
  readonly attempts: number;
  readonly losses: number;
  readonly worker_id: string | null;
}

async function tasksOf(
  database: { query: <Row>(text: string, values: readonly unknown[]) => Promise<Row[]> },
  jobId: string,
): Promise<TaskRow[]> {
  return await database.query<TaskRow>(
    "SELECT status, epoch, attempts, losses, worker_id, lease_until, finished_at FROM filemill.tasks WHERE job_id = $1 ORDER BY item_from",
    [uuidOf(jobId)],
  );
}

/** Objects are named <file>.<epoch>.<segment>. */
async function objectsOfEpoch(storeFolder: string, epoch: number): Promise<string[]> {
  const names = await readdir(join(storeFolder, "objects"), { recursive: true });
  return names.filter((name) => new RegExp(`\\.${epoch}\\.\\d+$`).test(name));
}
