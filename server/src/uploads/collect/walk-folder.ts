import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { SourceError } from "../../jobs/sources/source.ts";

/**
 * The regular files below a folder, as paths relative to it with "/", sorted name by name and strictly after `after`: a walk can go
 * on where an earlier one stopped. A folder's names are read again for every KEPT_NAMES of them, so that one of a
 * million files needs the memory of KEPT_NAMES. Links are not followed, names that begin with a dot are passed over, and what vanishes
 * meanwhile is not there. Throws SourceError where a folder can't be read.
 */
export async function* walkFolder(root: string, after?: string): AsyncGenerator<string> {
  yield* walk({ root, below: [], after: after?.split("/") ?? [] });
}

const KEPT_NAMES = 10_000;

interface Place {
  readonly root: string;
  readonly below: readonly string[];
  /** The rest, from here on, of the path that was last. */
  readonly after: readonly string[];
}

async function* walk({ root, below, after }: Place): AsyncGenerator<string> {
  const [first, ...rest] = after;
  for await (const entry of sortedEntries(join(root, ...below), first)) {
    const path = [...below, entry.name];
    // The folder in which the last walk stopped; a file of that name is the last one itself.
    const isWhereItStopped = entry.name === first;
    if (entry.isDirectory()) yield* walk({ root, below: path, after: isWhereItStopped ? rest : [] });
    else if (entry.isFile() && !isWhereItStopped) yield path.join("/");
  }
}

/** Entries with names not before `from`, sorted. */
async function* sortedEntries(folder: string, from: string | undefined): AsyncGenerator<Dirent> {
  let isWanted = (name: string) => from === undefined || name >= from;
  for (;;) {
    const { entries, isAll } = await firstEntries(folder, isWanted);
    yield* entries;
    const last = entries.at(-1)?.name;
    if (isAll || last === undefined) return;
    isWanted = (name) => name > last;
  }
}

async function firstEntries(folder: string, isWanted: (name: string) => boolean): Promise<{ entries: Dirent[]; isAll: boolean }> {
  let entries: Dirent[] = [];
  let isAll = true;
  for await (const entry of await opened(folder)) {
    if (entry.name.startsWith(".") || !isWanted(entry.name) || !(entry.isFile() || entry.isDirectory())) continue;
    entries.push(entry);
    if (entries.length < 2 * KEPT_NAMES) continue;
    entries = sorted(entries).slice(0, KEPT_NAMES);
    isAll = false;
  }
  entries = sorted(entries);
  if (entries.length <= KEPT_NAMES) return { entries, isAll };
  return { entries: entries.slice(0, KEPT_NAMES), isAll: false };
}

function sorted(entries: readonly Dirent[]): Dirent[] {
  return entries.toSorted((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
}

async function opened(folder: string): Promise<AsyncIterable<Dirent>> {
  try {
    return await opendir(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR") return noEntries();
    if (code === "EACCES" || code === "EPERM") {
      throw new SourceError("source_denied", "bad_input", `The worker may not read the folder "${folder}".`, { cause: error });
    }
    throw new SourceError("source_unavailable", "external", `The folder "${folder}" can't be read: ${code}.`, { cause: error });
  }
}

async function* noEntries(): AsyncGenerator<Dirent> {}
