import { encodeId } from "@filemill/contract/ids.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { readSystemFigures, readWorkers, type SystemFigures, type WorkerRow } from "../../status/system-figures.ts";
import type { Services } from "../services.ts";

const AdminMetrics = z.object({
  system: z.object({
    active_workers: z.int(),
    queued_jobs: z.int(),
    processing_throughput: z.number().describe("items a second, over the last minute"),
    error_rate: z.number().describe("dead tasks among those that ended in the last hour, 0–1"),
  }),
  storage: z.object({ total_files: z.int(), total_size_gb: z.number(), storage_cost_hour: z.number().describe("0: no prices are set") }),
  users: z.object({ active_tenants: z.int(), total_users: z.int() }),
});

const WorkerResource = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.int(),
  lanes: z.array(z.string()),
  slots: z.int(),
  running_tasks: z.int(),
  status: z.string(),
  started_at: z.string(),
  seen_at: z.string(),
});

/** What operators see of the whole installation: over all tenants, so that no tenant's own key may. */
export function adminRoutes({ database }: Services): FastifyPluginAsync {
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
  };
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
