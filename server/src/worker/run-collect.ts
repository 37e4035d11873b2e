import { Problem, type Failure } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { EntryOutcome } from "../jobs/advance/outcome.ts";
import type { Plan } from "../jobs/plan.ts";
import { readReferences, readSourceJob, type CollectedItem, type SourceJob } from "../jobs/sources/collection.ts";
import { SourceError, type Source, type SourceReference } from "../jobs/sources/source.ts";
import { parseSize } from "@filemill/contract/parse-units.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { StoredFile } from "../record/files.ts";
import type { Reservation } from "../tenants/quota-reservation.ts";
import { commitCompletion } from "./commit-completion.ts";
import { failureOf } from "./run-source.ts";
import type { CollectedObjects, TaskEnd, TaskServices } from "./task-services.ts";
import { unlessGivenUp } from "./unless-given-up.ts";

/** Objects that one task fetches at the same time. */
const FETCHES = 8;

interface CollectTask {
  readonly task: ClaimedTask;
  readonly plan: Plan;
}

/**
 * Fetches what a source has listed and stores it: one file an entry, or the one that this tenant has of an unchanged
 * object. An object that can't be had ends its own item. Rejects what runTask makes a hand-back of: trouble with our own
 * store or database, the signal's reason; nothing that it stored is left then.
 */
export async function runCollect(services: TaskServices, { task, plan }: CollectTask, signal: AbortSignal): Promise<TaskEnd> {
  const { job, references } = await unlessGivenUp(
    services.database.asSystem(async (transaction) => ({
      job: await readSourceJob(transaction, task.jobId),
      references: await readReferences(transaction, task),
    })),
    signal,
  );
  if (!job) return "not_ours";
  const reservation = await services.quotas.open(task.tenantId);
  try {
    const round = await collectAll(services, { task, job, references }, signal);
    const { files, collected, results } = await fitIntoQuota(services, reservation, round);
    await failpoint("collect-after-put-before-commit");
    const finished = { task, plan, outcome: { type: "done" as const, results } };
    const end = await commitCompletion(services, { finished, files, outputs: [], collected, reservation }, signal);
    if (end === "committed") services.onCollected?.(countObjects(collected, results));
    return end;
  } catch (error) {
    // Where it was given to the committer, that has seen to it already.
    await reservation.release();
    throw error;
  }
}

function countObjects(collected: readonly CollectedItem[], results: readonly EntryOutcome[]): CollectedObjects {
  const unchanged = collected.filter((item) => item.unchanged).length;
  const bytes = collected.reduce((sum, item) => sum + item.bytes, 0);
  return { stored: collected.length - unchanged, unchanged, failed: results.filter((result) => !result.ok).length, bytes };
}

interface Collection {
  readonly task: ClaimedTask;
  readonly job: SourceJob;
  readonly references: ReadonlyMap<string, SourceReference>;
}

interface Collected {
  readonly files: StoredFile[];
  readonly collected: CollectedItem[];
  readonly results: EntryOutcome[];
}

async function collectAll(services: TaskServices, collection: Collection, signal: AbortSignal): Promise<Collected> {
  const { task, job, references } = collection;
  const round: Collected = { files: [], collected: [], results: [] };
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const queue = task.entries.entries();
  const total = job.spec.limits?.max_total;
  let roomBytes = total === undefined ? Number.POSITIVE_INFINITY : parseSize(total) - job.collectedBytes;

  async function fetchOn(source: Source): Promise<void> {
    for (const [place, { fileId }] of queue) {
      either.throwIfAborted();
      const reference = references.get(fileId);
      const stored = reference ? await collectOne(source, { reference, roomBytes }, either) : GONE;
      round.results[place] = await take(stored);
    }
  }

  async function take(stored: Stored | Failure): Promise<EntryOutcome> {
    if ("class" in stored) return { ok: false, failure: stored, step: "" };
    const bytes = stored.file?.sizeBytes ?? 0;
    if (stored.file && bytes > roomBytes) {
      // Others that were fetched at the same time have used it up.
      await services.contents.discard(stored.file.content);
      return { ok: false, failure: NO_ROOM, step: "" };
    }
    roomBytes -= bytes;
    if (stored.file) round.files.push(stored.file);
    round.collected.push(itemOf(task, stored));
    return { ok: true, outputs: [{ step: "", fileId: stored.fileId, sizeBytes: stored.sizeBytes }] };
  }

  try {
    const source = await services.sources.open({ tenantId: task.tenantId, jobId: task.jobId, spec: job.spec });
    const fetching = Array.from({ length: Math.min(FETCHES, task.entries.length) }, () => fetchOn(source).catch(stop));
    await Promise.all(fetching);
    either.throwIfAborted();
    return round;
  } catch (error) {
    await Promise.all(round.files.map((file) => services.contents.discard(file.content)));
    if (!(error instanceof SourceError) || signal.aborted) throw error;
    const failure = failureOf(error);
    return { files: [], collected: [], results: task.entries.map(() => ({ ok: false, failure, step: "" })) };
  }

  /** No further fetch begins, and those under way are ended: they must not store anything behind our back. */
  function stop(error: unknown): void {
    failed.abort(error);
  }
}

/** Files for which the tenant has no room end their items, for good. Their bytes, and all where it rejects, are deleted. */
async function fitIntoQuota(services: TaskServices, reservation: Reservation, round: Collected): Promise<Collected> {
  const total = { bytes: round.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), files: round.files.length };
  const refused = new Map<string, Failure>();
  let room = { bytes: 0, files: 0 };
  try {
    if (total.files === 0 || (await refusalOf(() => reservation.expect(total))) === undefined) return round;
    for (const { id: fileId, sizeBytes } of round.files) {
      const wanted = { bytes: room.bytes + sizeBytes, files: room.files + 1 };
      const failure = await refusalOf(() => reservation.expect(wanted));
      if (failure) refused.set(fileId, failure);
      else room = wanted;
    }
  } catch (error) {
    await Promise.all(round.files.map((file) => services.contents.discard(file.content)));
    throw error;
  }
  if (refused.size === 0) return round;
  await Promise.all(round.files.filter(({ id }) => refused.has(id)).map((file) => services.contents.discard(file.content)));
  return {
    files: round.files.filter(({ id }) => !refused.has(id)),
    collected: round.collected.filter(({ fileId }) => !refused.has(fileId)),
    results: round.results.map((result) => {
      const failure = result.ok ? refused.get(result.outputs[0]?.fileId ?? "") : undefined;
      return failure ? { ok: false, failure, step: "" } : result;
    }),
  };
}

async function refusalOf(reserve: () => Promise<void>): Promise<Failure | undefined> {
  try {
    await reserve();
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "quota_exceeded") throw error;
    return { class: "bad_input", code: "limit_exceeded", message: error.message };
  }
}

const GONE: Failure = { class: "bad_input", code: "input_dead", message: "What the source had listed here is not known any more." };

const NO_ROOM: Failure = {
  class: "bad_input",
  code: "limit_exceeded",
  message: "The objects before it have used up limits.max_total. Raise it.",
};

interface Stored {
  readonly reference: SourceReference;
  readonly fileId: string;
  readonly sizeBytes: number;
  /** Left out: it was here already. */
  readonly file?: StoredFile;
  readonly location: string;
}

async function collectOne(
  source: Source,
  { reference, roomBytes }: { reference: SourceReference; roomBytes: number },
  signal: AbortSignal,
): Promise<Stored | Failure> {
  try {
    const object = await source.collect(reference, { roomBytes, signal });
    const { location } = object;
    if (object.type === "stored")
      return { reference, fileId: object.file.id, sizeBytes: object.file.sizeBytes, file: object.file, location };
    return { reference, fileId: object.known.fileId, sizeBytes: object.known.sizeBytes, location };
  } catch (error) {
    if (error instanceof SourceError && !signal.aborted) return failureOf(error);
    throw error;
  }
}

function itemOf(task: ClaimedTask, stored: Stored): CollectedItem {
  return {
    jobId: task.jobId,
    itemId: stored.reference.id,
    fileId: stored.fileId,
    unchanged: stored.file === undefined,
    bytes: stored.file?.sizeBytes ?? 0,
    location: stored.location,
    etag: stored.file?.source?.etag ?? null,
  };
}
