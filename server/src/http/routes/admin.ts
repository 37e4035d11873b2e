import { encodeId } from "@filemill/contract/ids.ts";
import { AdminMetrics, WorkerCount, WorkerResource, WorkersResized } from "@filemill/contract/workers.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { Problem } from "../../errors.ts";
import { appendAudit } from "../../record/audit.ts";
import { readSystemFigures, readWorkers, type SystemFigures, type WorkerRow } from "../../status/system-figures.ts";
import type { Services, WorkerPool } from "../services.ts";

/** What operators see of the whole installation: over all tenants, so that no tenant's own key may. */
export function adminRoutes({ database, workers }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/admin/metrics",
      {
        config: { role: "operator" },
        schema: { summary: "Figures of the whole installation", tags: ["admin"], response: { 200: AdminMetrics } },
      },
      async () => adminMetrics(await readSystemFigures(database)),
    );

    app.get(
      "/admin/workers",
      {
        config: { role: "operator" },
        schema: {
          summary: "Worker processes of the last hour",
          tags: ["admin"],
          response: { 200: z.object({ data: z.array(WorkerResource) }) },
        },
      },
      async () => ({ data: (await readWorkers(database)).map(workerResource) }),
    );

    app.put(
      "/admin/workers",
      {
        config: { role: "operator" },
        schema: {
          summary: "Say how many worker processes this machine runs",
          description:
            "For a platform that `npm start` runs, until it is stopped. Missing ones are started; those that are too many take nothing " +
            "new, and end when what they have begun is done. Workers that something else starts answer 409.",
          tags: ["admin"],
          body: WorkerCount,
          response: { 200: WorkersResized },
        },
      },
      async (request) => {
        const { count } = request.body;
        const { tenantId, actor } = request.principal;
        const was = await resize(workers, count);
        const detail = { count, was };
        await database.asSystem((transaction) =>
          appendAudit(transaction, { tenantId, actor, action: "workers.resize", object: "workers", detail }),
        );
        return detail;
      },
    );
  };
}

async function resize({ most, resize: ask }: WorkerPool, count: number): Promise<number> {
  if (count > most) {
    const message = `must be at most ${most}; FILEMILL_MAX_WORKERS allows more`;
    throw new Problem("validation_failed", `So many workers are not allowed: count ${message}.`, {
      issues: [{ pointer: "/count", message }],
    });
  }
  if (!ask)
    throw new Problem("conflict", "These workers are started by something else, such as an autoscaler: say there how many there shall be.");
  const was = await ask(count);
  if (was === undefined)
    throw new Problem("unavailable", "The process that runs the workers does not answer; it may be about to end. Try again.");
  return was;
}

const BYTES_PER_GB = 1e9;

function adminMetrics(figures: SystemFigures): z.infer<typeof AdminMetrics> {
  return {
    system: {
      active_workers: figures.activeWorkers,
      queued_jobs: figures.queuedJobs,
      processing_throughput: figures.itemsPerSecond,
      error_rate: figures.errorRate,
    },
    storage: { total_files: figures.files, total_size_gb: figures.bytes / BYTES_PER_GB, storage_cost_hour: 0 },
    users: { active_tenants: figures.activeTenants, total_users: figures.users },
  };
}

function workerResource(worker: WorkerRow): z.infer<typeof WorkerResource> {
  const { id, host, pid, lanes, slots, runningTasks, status, startedAt, seenAt } = worker;
  return {
    id: encodeId("worker", id),
    host,
    pid,
    lanes: [...lanes],
    slots,
    running_tasks: runningTasks,
    status,
    started_at: startedAt.toISOString(),
    seen_at: seenAt.toISOString(),
  };
}
