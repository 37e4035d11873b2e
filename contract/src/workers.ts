import { z } from "zod";

/** Figures of the whole installation; answer of GET /admin/metrics. */
export const AdminMetrics = z.object({
  system: z.object({
    active_workers: z.int(),
    queued_jobs: z.int(),
    processing_throughput: z.number().describe("items a second, over the last minute"),
    error_rate: z.number().describe("dead tasks among those that ended in the last hour, 0–1"),
  }),
  storage: z.object({ total_files: z.int(), total_size_gb: z.number(), storage_cost_hour: z.number().describe("0: no prices are set") }),
  users: z.object({ active_tenants: z.int(), total_users: z.int() }),
});

export const WorkerResource = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.int(),
  lanes: z.array(z.string()),
  slots: z.int(),
  running_tasks: z.int(),
  status: z.enum(["up", "draining", "gone", "lost"]),
  started_at: z.string(),
  seen_at: z.string(),
});

/** Body of PUT /admin/workers. */
export const WorkerCount = z.strictObject({ count: z.int().min(0) });

/** Its answer: processes start and end after it. */
export const WorkersResized = z.object({
  count: z.int().describe("worker processes that there will be"),
  was: z.int().describe("that there were to be before"),
});

/** Tasks of one lane, over all tenants. */
export const LaneBacklog = z.object({ lane: z.string(), ready: z.int(), running: z.int() });

export type AdminMetrics = z.infer<typeof AdminMetrics>;
export type WorkerResource = z.infer<typeof WorkerResource>;
export type WorkersResized = z.infer<typeof WorkersResized>;
export type LaneBacklog = z.infer<typeof LaneBacklog>;
