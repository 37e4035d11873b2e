import { lstat, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseDuration, parseSize } from "@filemill/contract/parse-units.ts";
import type { Failure } from "../errors.ts";
import type { StagePlan, StepPlan } from "../jobs/plan.ts";
import { SourceError } from "../jobs/sources/source.ts";
import type { FetchFromWeb, WebFile } from "../jobs/sources/web.ts";
import { MAX_DOCUMENT_BYTES, readRequest } from "../processors/web/read-request.ts";
import { httpFetch, type HttpFetchParams } from "../processors/http-fetch.ts";
import { acceptsMediaType, BadInput } from "../processors/processor.ts";
import { inParallel } from "./in-parallel.ts";
import type { Prepared, PreparedEntry } from "./prepare.ts";

/**
 * Of what one task fetches so many bytes may lie on the scratch disk, or those of one entry. Entries for which no room is
 * left are tried again in tasks of their own.
 */
const TASK_BYTES = 4 * 1024 ** 3;

export interface FetchingTask {
  readonly stage: StagePlan;
  /** What is left out of `entries` has failed before. */
  readonly prepared: Prepared;
  readonly folder: string;
  /** Told of bytes on the scratch disk as they come. */
  readonly onBytes: (bytes: number) => void;
  /** For tests. */
  readonly taskBytes?: number;
}

/** The step of a stage that the worker does itself: the first one, if any. */
export function stepOfWorker(stage: StagePlan): StepPlan | undefined {
  const [first] = stage.steps;
  return first?.use === httpFetch.name ? first : undefined;
}

/**
 * Step hosts have no network, so the worker fetches what the inputs of a stage that begins with http.fetch name: in place
 * of each input comes what was fetched, as if the step had made it. What can't be had ends its own entry. Entries that the
 * step's `when` does not take stay what they are, which no later step of the stage takes either.
 * Rejects errors of the scratch disk, or the signal's reason.
 */
export async function fetchInputs(fetch: FetchFromWeb, task: FetchingTask, signal: AbortSignal): Promise<Prepared> {
  const { stage, prepared, folder } = task;
  const step = stepOfWorker(stage);
  if (!step) return prepared;
  const takeRoom = roomOf(task);
  const params = httpFetch.params.parse(step.with);
  const missing = new Map(prepared.missing);
  const entries = new Map<number, PreparedEntry>();
  const work = prepared.entries.map((entry) => async (ended: AbortSignal) => {
    if (step.when && !acceptsMediaType(step.when.media_type, entry.mediaType)) {
      entries.set(entry.index, entry);
      return;
    }
    const path = join(folder, `web-${entry.index}`);
    const wanted = { entry, step, params, path, maxBytes: parseSize(params.max_size), onBytes: takeRoom };
    const fetched = await fetchEntry(fetch, wanted, ended);
    if ("class" in fetched) missing.set(entry.index, fetched);
    else entries.set(entry.index, { ...fetched, index: entry.index, path, from: step.name, isFetched: true });
  });
  await inParallel(work, signal);
  return { ...prepared, entries: prepared.entries.flatMap(({ index }) => entries.get(index) ?? []), missing };
}

interface WantedEntry {
  readonly entry: PreparedEntry;
  readonly step: StepPlan;
  readonly params: HttpFetchParams;
  readonly path: string;
  readonly maxBytes: number;
  readonly onBytes: (bytes: number) => void;
}

async function fetchEntry(fetch: FetchFromWeb, wanted: WantedEntry, signal: AbortSignal): Promise<WebFile | Failure> {
  const { entry, step, params } = wanted;
  const time = AbortSignal.timeout(step.timeoutMs);
  try {
    const { sizeBytes, sha256, ...document } = await readDocument(entry, step);
    const accept = params.accept.includes("*/*") ? {} : { accept: params.accept.join(", ") };
    const file = await fetch({
      ...{ url: document.url, name: document.name, sizeBytes, sha256 },
      headers: { ...accept, ...document.headers },
      ...{ path: wanted.path, maxBytes: wanted.maxBytes, onBytes: wanted.onBytes },
      ...{ tries: params.tries, tryMs: parseDuration(params.timeout), signal: AbortSignal.any([signal, time]) },
    });
    if (!acceptsMediaType(params.accept, file.mediaType)) {
      await rm(wanted.path, { force: true });
      throw new BadInput("type_mismatch", `What "${entry.name}" names is ${file.mediaType}; accepted are ${params.accept.join(", ")}.`);
    }
    return file;
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(error, { step, isLate: time.aborted });
  }
}

async function readDocument(entry: PreparedEntry, step: StepPlan) {
  if (!acceptsMediaType(httpFetch.accepts, entry.mediaType)) {
    const accepted = httpFetch.accepts.join(", ");
    throw new BadInput("type_mismatch", `"${entry.name}" is ${entry.mediaType}; step "${step.name}" takes ${accepted}.`);
  }
  // One byte more than is taken says that there are too many.
  const { size } = await lstat(entry.path);
  return readRequest(size > MAX_DOCUMENT_BYTES ? Buffer.alloc(MAX_DOCUMENT_BYTES + 1) : await readFile(entry.path), entry);
}

/** Throws what says nothing about the entry: a full disk, a defect of ours. */
function failureOf(error: unknown, { step, isLate }: { step: StepPlan; isLate: boolean }): Failure {
  if (isLate) {
    const message = `Step "${step.name}" was not done after its limit of ${step.timeoutMs / 1000} s.`;
    return { class: "timeout", code: "timeout", message };
  }
  if (error instanceof NoRoom) return { class: "resource_exhausted", code: "resource_exhausted", message: error.message };
  if (error instanceof BadInput) return { class: "bad_input", code: error.code, message: error.message };
  if (error instanceof SourceError) return { class: error.failureClass, code: error.code, message: error.message };
  throw error;
}

/** The other entries of the task have taken it. */
class NoRoom extends Error {
  constructor() {
    super("What other items of the same task fetched has filled the room for it; this one is tried again alone.");
    this.name = "NoRoom";
  }
}

function roomOf({ prepared, onBytes, taskBytes = TASK_BYTES }: FetchingTask): (bytes: number) => void {
  const isAlone = prepared.entries.length === 1;
  let taken = 0;
  return (bytes) => {
    taken += bytes;
    onBytes(bytes);
    if (bytes > 0 && taken > taskBytes && !isAlone) throw new NoRoom();
  };
}
