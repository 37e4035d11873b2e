import { join } from "node:path";
import type { Database } from "../db/database.ts";
import { materialise, readManifests, type FileManifest } from "../outputs/content.ts";
import type { StageRunEntry } from "../processors/stage-run.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { ObjectStore } from "../storage/object-store.ts";

/** The task's inputs on local disk. */
export interface Prepared {
  readonly entries: readonly PreparedEntry[];
}

export interface PreparedEntry extends StageRunEntry {
  /** Index among the task's entries; an entry whose file is gone has none here. */
  readonly index: number;
}

/** Files fetched at the same time; a local disk is not faster with more, and a remote store hides its latency with these. */
const FETCHES = 8;

/**
 * Writes the files of a task's entries into `folder`, under names of ours. Entries whose file was deleted meanwhile are
 * left out. Rejects StorageError, or a database error.
 */
export async function prepare(
  services: { readonly database: Database; readonly store: ObjectStore },
  task: ClaimedTask,
  options: { readonly folder: string; readonly signal: AbortSignal },
): Promise<Prepared> {
  const ids = [...new Set(task.entries.map((entry) => entry.fileId))];
  const manifests = await services.database.asSystem((transaction) => readManifests(transaction, task.tenantId, ids));
  const byId = new Map(manifests.map((manifest) => [manifest.id, manifest]));
  const entries: PreparedEntry[] = [];
  const fetches: (() => Promise<void>)[] = [];
  task.entries.forEach((entry, index) => {
    const manifest = byId.get(entry.fileId);
    if (!manifest) return;
    const path = join(options.folder, `in-${index}`);
    entries.push(entryOf(manifest, { index, path, from: entry.from }));
    fetches.push(() => materialise(manifest, services.store, { path, signal: options.signal }));
  });
  await inParallel(fetches);
  return { entries };
}

function entryOf(manifest: FileManifest, place: { index: number; path: string; from: string }): PreparedEntry {
  return { ...place, name: manifest.name, sizeBytes: manifest.sizeBytes, mediaType: manifest.mediaType };
}

async function inParallel(fetches: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = fetches.values();
  const drain = async () => {
    for (const fetch of queue) await fetch();
  };
  await Promise.all(Array.from({ length: Math.min(FETCHES, fetches.length) }, drain));
}
