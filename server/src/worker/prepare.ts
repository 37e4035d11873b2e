import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Database } from "../db/database.ts";
import { StorageError, type Failure } from "../errors.ts";
import { materialise, type FileManifest } from "../outputs/content.ts";
import type { StageRunEntry } from "../processors/stage-run.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { generatedFiles, type GeneratedFile } from "./generated-files.ts";
import { inParallel, type Work } from "./in-parallel.ts";
import type { Manifests } from "./manifests.ts";
import { NO_REUSE, type LookUp, type Reuse } from "./reuse.ts";
import { unlessGivenUp } from "./unless-given-up.ts";

/** The task's inputs on local disk. */
export interface Prepared {
  readonly entries: readonly PreparedEntry[];
  /** By index among the task's entries: those that can't be read, now or ever, and why. */
  readonly missing: ReadonlyMap<number, Failure>;
  /** Results of earlier runs; their entries are not among `entries`. */
  readonly reuse: Reuse;
}

export interface PreparedEntry extends StageRunEntry {
  /** Index among the task's entries. */
  readonly index: number;
  /** It came from the web in place of the input that named it. */
  readonly isFetched?: true;
}

export interface PrepareOptions {
  readonly folder: string;
  readonly signal: AbortSignal;
  /** The task was handed back too often: an entry whose object the store does not give now is then missing as well. */
  readonly isLastTry: boolean;
  /** Waits until so many bytes may be fetched. */
  readonly room: (bytes: number) => Promise<void>;
  /** Left out: every entry is run. */
  readonly lookUp?: LookUp | undefined;
}

interface PrepareServices {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly manifests: Manifests;
}

type InputFile = FileManifest | GeneratedFile;

/**
 * Writes the files of a task's entries into `folder`, under names of ours. An entry whose file was deleted meanwhile, or
 * whose object is lost or damaged, is missing and does not touch the others. Rejects StorageError for trouble that
 * passes, a database error, or the signal's reason; nothing writes to the folder any more then.
 */
export async function prepare(services: PrepareServices, task: ClaimedTask, options: PrepareOptions): Promise<Prepared> {
  const generated = generatedFiles(task);
  const ids = [...new Set(task.entries.map((entry) => entry.fileId))].filter((id) => !generated.has(id));
  const manifests = await unlessGivenUp(services.manifests.of(task.tenantId, ids), options.signal);
  const byId = new Map<string, InputFile>([...generated, ...manifests.map((manifest) => [manifest.id, manifest] as const)]);
  const { lookUp } = options;
  const files = task.entries.map((entry) => byId.get(entry.fileId));
  const looked = lookUp && services.database.asSystem((transaction) => lookUp(transaction, files));
  const reuse = looked ? await unlessGivenUp(looked, options.signal) : NO_REUSE;
  const entries: PreparedEntry[] = [];
  const missing = new Map<number, Failure>();
  const fetches: Work[] = [];
  task.entries.forEach((entry, index) => {
    const manifest = byId.get(entry.fileId);
    if (!manifest) return missing.set(index, GONE);
    if (reuse.results.has(task.kind === "map" ? index : 0)) return undefined;
    const path = join(options.folder, `in-${index}`);
    entries.push(entryOf(manifest, { index, path, from: entry.from }));
    return fetches.push(async (signal) => {
      const failure = await fetchEntry(services.contents, manifest, { ...options, path, signal });
      if (failure) missing.set(index, failure);
    });
  });
  await options.room(entries.reduce((sum, entry) => sum + entry.sizeBytes, 0));
  await inParallel(fetches, options.signal);
  return { entries: entries.filter(({ index }) => !missing.has(index)), missing, reuse };
}

const GONE: Failure = { class: "bad_input", code: "input_dead", message: "The input file was deleted before it was processed." };

function entryOf(manifest: InputFile, place: { index: number; path: string; from: string }): PreparedEntry {
  return { ...place, name: manifest.name, sizeBytes: manifest.sizeBytes, mediaType: manifest.mediaType };
}

/** Why this one entry can't be read, ever; undefined: it lies at `path`. */
async function fetchEntry(
  contents: ContentStore,
  manifest: InputFile,
  { path, signal, isLastTry }: Pick<PrepareOptions, "signal" | "isLastTry"> & { readonly path: string },
): Promise<Failure | undefined> {
  try {
    // Some 40 bytes into the page cache: to wait for a thread would take longer.
    if ("generated" in manifest) writeFileSync(path, manifest.generated, { flag: "wx", mode: 0o600 });
    else await materialise(manifest, contents, { path, signal });
    return undefined;
  } catch (error) {
    const failure = signal.aborted ? undefined : unreadable(error, manifest.name, isLastTry);
    if (!failure) throw error;
    await rm(path, { force: true });
    return failure;
  }
}

function unreadable(error: unknown, name: string, isLastTry: boolean): Failure | undefined {
  if (!(error instanceof StorageError)) return undefined;
  if (error.code === "archived") {
    const message = `The input "${name}" lies in an archive. Have it brought back (POST /files/{id}/restore), then retry the job.`;
    return { class: "bad_input", code: "input_dead", message };
  }
  if (error.code === "not_found" || error.code === "damaged") {
    const what = error.code === "damaged" ? "is damaged" : "is lost";
    return {
      class: "bad_input",
      code: "corrupt",
      message: `The stored content of "${name}" ${what}. Upload the file again, in a new job.`,
    };
  }
  if (!isLastTry) return undefined;
  return { class: "lost", code: "lost", message: `The store did not give the content of "${name}" in any of many tries.` };
}
