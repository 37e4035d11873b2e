import type { Verdict } from "./checker.ts";
import { until } from "./conditions.ts";
import { intend, stamping } from "./load-client.ts";
import { uuidOf } from "./public-id.ts";
import { play } from "./scenario.ts";
import type { SiteOptions } from "./site.ts";

const FILES = 6;

/** Far more than is sent: with a limit, room is reserved for all that comes, and must be given back. */
const LIMIT_BYTES = 1_000_000_000;

/** A worker is killed at the moment at which the job that it worked on is seen completed. Its tenant may not keep what it likes. */
export async function vanishingWorker(options: SiteOptions): Promise<Verdict> {
  return await play("a worker vanishes", options, async ({ site, poller, client }) => {
    await site.database.query(
      "INSERT INTO filemill.tenant_quotas (tenant_id, limit_bytes) SELECT id, $1 FROM filemill.tenants WHERE name = 'default'",
      [LIMIT_BYTES],
    );
    const worker = await site.startWorker();
    const load = await client("only");
    const sizes = Array.from({ length: FILES }, (_unused, index) => 20_000 + index);
    const { job_id: jobId = "" } = await load.submit(intend("vanishing", sizes, { pipeline: stamping(50) }));
    poller.watch(jobId, FILES);
    await until("the job is completed", 60_000, async () => {
      const [row] = await site.database.query<{ status: string }>("SELECT status FROM filemill.jobs WHERE id = $1", [uuidOf(jobId)]);
      return row?.status === "completed";
    });
    worker.signal("SIGKILL");
    await worker.ended;
  });
}
