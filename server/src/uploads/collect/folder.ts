import { realpath } from "node:fs/promises";
import { isAbsolute, join, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FolderSource } from "@filemill/contract/source.ts";
import { parseDuration } from "@filemill/contract/parse-units.ts";
import { mayUse } from "../../config-sources.ts";
import { MAX_PAGE, SourceError, type Source, type SourceCursor, type SourceInput, type SourcePage } from "../../jobs/sources/source.ts";
import { isMatch } from "../../is-match.ts";
import { isUnchanged } from "./is-unchanged.ts";
import { objectName } from "./object-name.ts";
import { lookAt, openRegular } from "./regular-file.ts";
import type { SourceContext } from "./source-context.ts";
import { storeObject } from "./store-object.ts";
import { walkFolder } from "./walk-folder.ts";

const SETTLE_MS = 2_000;
/** A folder that is taken once waits so long for files that are still being written. */
const PATIENCE_MS = 60_000;
const WATCH_MS = 86_400_000;
/** Between two looks; workers come by every 3 s. */
const LOOK_AGAIN_MS = 2_000;

/**
 * The files of a folder on the worker's machine, at or below one that the operator allows. It is looked through round by
 * round; each file becomes an item when it has not changed for a while, and again when it changes later. Without `watch` the
 * source ends with the first round in which nothing was still being written.
 */
export async function folderSource(context: SourceContext<FolderSource>): Promise<Source> {
  const root = await allowedFolder(context);
  return {
    pages: (cursor, signal) => rounds({ context, root, from: roundOf(cursor), signal }),
    collect(reference, options) {
      return storeObject(context, { reference, options }, async ({ signal }) => {
        if (isUnchanged(reference, context.spec)) return "unchanged";
        return await openRegular(fileURLToPath(reference.location), { root, signal });
      });
    },
  };
}

/** Its real path, so that no link can lead out of it later. */
async function allowedFolder({ config, spec, tenantId, tenantName }: SourceContext<FolderSource>): Promise<string> {
  const wanted = resolve(spec.path);
  const name = await tenantName(tenantId);
  const allowed = config.folders.filter((folder) => mayUse(folder, name)).map((folder) => folder.path);
  if (isAbsolute(spec.path)) {
    for (const path of allowed) {
      if (!isAtOrBelow(wanted, path)) continue;
      const real = { wanted: await realPath(wanted), allowed: await realPath(path) };
      if (real.wanted !== undefined && real.allowed !== undefined && isAtOrBelow(real.wanted, real.allowed)) return real.wanted;
    }
  }
  const message = `"${spec.path}" is not there, or is no folder that this tenant may collect from. The operator allows folders with FILEMILL_WATCH_ROOTS.`;
  throw new SourceError("source_refused", "bad_input", message);
}

function isAtOrBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

async function realPath(path: string): Promise<string | undefined> {
  return await realpath(path).catch(() => undefined);
}

/** Where the looking stands; times in ms of the machine's clock. */
interface Round {
  readonly startedAt: number;
  /** Path of the last file that this round came by. */
  readonly after?: string | undefined;
  /** Files of this round that were still being written. */
  readonly unsettled: number;
  /** When anything changed last, as far as known. */
  readonly lastChangeAt: number;
}

function roundOf(cursor: SourceCursor | undefined): Round {
  const now = Date.now();
  const number = (name: string, otherwise: number) => (typeof cursor?.[name] === "number" ? cursor[name] : otherwise);
  const after = cursor?.["after"];
  return {
    startedAt: number("startedAt", now),
    after: typeof after === "string" ? after : undefined,
    unsettled: number("unsettled", 0),
    lastChangeAt: number("lastChangeAt", now),
  };
}

interface Looking {
  readonly context: SourceContext<FolderSource>;
  readonly root: string;
  readonly from: Round;
  readonly signal: AbortSignal;
}

async function* rounds({ context, root, from, signal }: Looking): AsyncGenerator<SourcePage> {
  const { spec } = context;
  let round = from;
  let inputs: SourceInput[] = [];
  const page = (): SourcePage => ({ inputs, cursor: { ...round }, take: "unseen" });
  for await (const path of walkFolder(root, round.after)) {
    signal.throwIfAborted();
    if (!isMatch(path, spec.match)) continue;
    const seen = await inputAt(join(root, path), path);
    if (seen === undefined) continue;
    const lastChangeAt = Math.max(round.lastChangeAt, seen.changedAt);
    if (isSettled(spec, seen.changedAt, round)) inputs.push(seen.input);
    else round = { ...round, unsettled: round.unsettled + 1 };
    round = { ...round, lastChangeAt, after: path };
    if (inputs.length < MAX_PAGE) continue;
    yield page();
    inputs = [];
  }
  const isLast = isOver(spec, round);
  round = { ...round, after: undefined, unsettled: isLast ? round.unsettled : 0 };
  if (isLast) yield page();
  else yield { ...page(), pauseMs: LOOK_AGAIN_MS };
}

async function inputAt(path: string, relative: string): Promise<{ input: SourceInput; changedAt: number } | undefined> {
  const look = await lookAt(path);
  if (look === undefined) return undefined;
  const { sizeBytes, etag, modifiedAt, changedAt } = look;
  return { input: { location: pathToFileURL(path).href, name: objectName(relative), sizeBytes, etag, modifiedAt }, changedAt };
}

/** In a folder that is taken once, what never stops changing is taken as it is when patience ends; reading it will tell. */
function isSettled(spec: FolderSource, changedAt: number, { startedAt }: Round): boolean {
  const settleMs = spec.settle === undefined ? SETTLE_MS : parseDuration(spec.settle);
  const now = Date.now();
  return now - changedAt >= settleMs || (spec.watch === undefined && now - startedAt > PATIENCE_MS);
}

function isOver(spec: FolderSource, { startedAt, unsettled, lastChangeAt }: Round): boolean {
  const now = Date.now();
  if (spec.watch === undefined) return unsettled === 0;
  const { for: length, idle } = spec.watch;
  if (now - startedAt >= (length === undefined ? WATCH_MS : parseDuration(length))) return true;
  return unsettled === 0 && idle !== undefined && now - lastChangeAt >= parseDuration(idle);
}
