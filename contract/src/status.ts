import { z } from "zod";

/** What a job, an item, a task and a file can be; the legal edges between them are in server/src/jobs/state.ts. */
export const JobStatus = z.enum(["queued", "running", "completed", "failed", "cancelled"]);
export const ItemStatus = z.enum(["waiting", "running", "succeeded", "skipped", "dead", "cancelled"]);
export const TaskStatus = z.enum(["waiting", "ready", "running", "succeeded", "dead", "cancelled"]);
export const TaskKind = z.enum(["source", "map", "tree", "gather"]);
export const FileStatus = z.enum(["uploading", "stored", "quarantined", "deleted"]);

export type JobStatus = z.infer<typeof JobStatus>;
export type ItemStatus = z.infer<typeof ItemStatus>;
export type TaskStatus = z.infer<typeof TaskStatus>;
export type TaskKind = z.infer<typeof TaskKind>;
export type FileStatus = z.infer<typeof FileStatus>;

export const TERMINAL_JOB_STATUSES: readonly JobStatus[] = ["completed", "failed", "cancelled"];
