import type { EventMessage } from "@filemill/contract/events.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import { encodePosition, type Position } from "./position.ts";
import type { StoredEvent } from "./read-events.ts";
import type { JobSample } from "./sample-jobs.ts";

/** A comment: keeps proxies and clients from taking silence for death. */
export const HEARTBEAT = ": ping\n\n";

/** A stored event as a server-sent event; its id says where the client stands behind it. */
export function eventMessage(event: StoredEvent, position: Position): string {
  const { type, at, jobId, data } = event;
  return frame({ type, at: at.toISOString(), job_id: jobId === null ? null : encodeId("job", jobId), data }, encodePosition(position));
}

/** job.progress is a sample, not history: it has no id. */
export function progressMessage(sample: JobSample): string {
  const { jobId, status, progress, counts, estimatedCompletion } = sample;
  const data = { status, progress, counts, estimated_completion: estimatedCompletion?.toISOString() ?? null };
  return frame({ type: "job.progress", at: new Date().toISOString(), job_id: encodeId("job", jobId), data }, undefined);
}

/** Says that a job has ended where its history no longer does. */
export function endMessage(
  job: { id: string; status: "completed" | "failed" | "cancelled"; finishedAt: Date | null },
  position: Position,
): string {
  const at = (job.finishedAt ?? new Date()).toISOString();
  return frame({ type: `job.${job.status}`, at, job_id: encodeId("job", job.id), data: {} }, encodePosition(position));
}

function frame(message: EventMessage, id: string | undefined): string {
  // JSON has no raw line breaks, so that one data line is enough.
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`;
}
