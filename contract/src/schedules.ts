import { z } from "zod";
import { Metadata } from "./files.ts";
import { PipelineDocument, PipelineName } from "./pipeline.ts";
import { JobSource } from "./source.ts";
import { StorableObject, StorableText } from "./text.ts";

export const ScheduleName = PipelineName;

/** Longer ones are no cron expressions; the parser takes as long as the text. */
const MAX_CRON_LENGTH = 200;

export const CronText = z
  .string()
  .max(MAX_CRON_LENGTH)
  .describe("five fields (minute hour day month weekday), six with seconds before them, or @hourly, @daily, @weekly, @monthly, @yearly");

export const TimeZone = z.string().min(1).max(64).describe("in which the fields are read, such as Europe/Berlin; UTC unless told");

/** What to do with due times at which nothing could run, because the platform was down or too busy for more than a minute. */
export const MissedPolicy = z
  .enum(["skip", "run_once", "run_all"])
  .describe("of due times that passed while nothing could run: none, one job for all of them (default), or one each, at most the last 100");

export const OverlapPolicy = z
  .enum(["allow", "skip"])
  .describe("skip: no job at a due time while the last job of this schedule has not ended; allow unless told");

/** Body of POST /schedules and PUT /schedules/{name}. */
export const ScheduleRequest = z.strictObject({
  name: ScheduleName.optional().describe("unique among the tenant's schedules; may be left out where the path has it"),
  pipeline: z.union([StorableText, PipelineDocument]),
  inputs: z
    .array(z.string())
    .min(1)
    .max(1_000)
    .optional()
    .describe("ids of files or bulk uploads, the same for every job; this or `source`"),
  source: JobSource.optional().describe("where each job collects its inputs from; this or `inputs`"),
  params: StorableObject.optional(),
  priority: z.int().min(-100).max(100).optional(),
  metadata: Metadata.optional().describe("of the jobs, which also get `schedule` (this schedule's id) and `due_at`"),
  cron: CronText,
  time_zone: TimeZone.optional(),
  missed: MissedPolicy.optional(),
  overlap: OverlapPolicy.optional(),
  paused: z.boolean().optional(),
});

export const ScheduleResource = z.object({
  id: z.string(),
  name: z.string(),
  pipeline: z.union([z.string(), z.record(z.string(), z.unknown())]),
  inputs: z.array(z.string()).nullable(),
  source: z.record(z.string(), z.unknown()).nullable(),
  params: z.record(z.string(), z.unknown()),
  priority: z.int(),
  metadata: Metadata,
  cron: z.string(),
  time_zone: z.string(),
  missed: MissedPolicy,
  overlap: OverlapPolicy,
  paused: z.boolean(),
  next_run: z.string().nullable().describe("null while it is paused"),
  last_run: z
    .object({
      due_at: z.string(),
      outcome: z.enum(["started", "skipped", "failed"]).describe("skipped: the job before it had not ended, or the due time was missed"),
      error: z.object({ code: z.string(), message: z.string() }).nullable().describe("why no job could be made"),
    })
    .nullable(),
  last_job_id: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});

/** Body of POST /schedules/next: when would this run? */
export const NextTimesRequest = z.strictObject({
  cron: CronText,
  time_zone: TimeZone.optional(),
  count: z.int().min(1).max(100).optional().describe("5 unless told"),
});

export const NextTimes = z.object({ data: z.array(z.string()).describe("times in UTC, the earliest first") });

export type MissedPolicy = z.infer<typeof MissedPolicy>;
export type OverlapPolicy = z.infer<typeof OverlapPolicy>;
export type ScheduleRequest = z.infer<typeof ScheduleRequest>;
export type ScheduleResource = z.infer<typeof ScheduleResource>;
export type NextTimesRequest = z.infer<typeof NextTimesRequest>;
export type NextTimes = z.infer<typeof NextTimes>;
