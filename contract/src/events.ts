import { z } from "zod";

export const EVENT_TYPES = [
  "file.stored",
  "file.quarantined",
  "file.deleted",
  "job.queued",
  "job.running",
  "job.progress",
  "job.completed",
  "job.failed",
  "job.cancelled",
  "item.dead",
  "item.skipped",
  "schedule.failed",
  "trigger.failed",
  "quota.warning",
  "key.created",
  "key.rotated",
  "key.revoked",
  "worker.up",
  "worker.lost",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/**
 * One server-sent event: `event:` is the type, `data:` this object. `id:` is a position in the tenant's history to send
 * back as Last-Event-ID; replay from it is at-least-once. job.progress has no id: it is a sample, not history.
 */
export const EventMessage = z.object({
  type: z.enum(EVENT_TYPES),
  at: z.string(),
  job_id: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type EventMessage = z.infer<typeof EventMessage>;
