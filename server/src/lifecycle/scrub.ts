import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { isDatabaseAway } from "../db/database-errors.ts";
import { StorageError } from "../errors.ts";
import { readManifests, type FileManifest } from "../outputs/content.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { checkFile, type Checked } from "./check-file.ts";
import { recordDamage, recordHealing } from "./damage.ts";
import { openWalk, WALK_LEASE_MS, type FileWalk } from "./file-walk.ts";

export const SCRUB = "scrub";

/** What a cycle has seen. */
export interface ScrubFigures {
  readonly files: number;
  readonly bytes: number;
  /** As damaged_files.kind says. */
  readonly missing: number;
  readonly damaged: number;
  /** Found right again. */
  readonly healed: number;
  /** Nothing could be said of them: their store could not be had, or they are archived. */
  readonly unread: number;
}

export const NO_FIGURES: ScrubFigures = { files: 0, bytes: 0, missing: 0, damaged: 0, healed: 0, unread: 0 };

export interface ScrubOptions {
  readonly database: Database;
  readonly contents: ContentStore;
  /** From the beginning of a cycle to the beginning of the next. */
  readonly cycleMs: number;
  readonly log: Logger;
  readonly onChecked?: (file: { readonly bytes: number; readonly result: keyof ScrubFigures | "whole" }) => void;
  /** How long a store that is away is waited for, between tries. */
  readonly patienceMs?: number;
  /** Where a cycle has time left; 1 MiB/s unless told. */
  readonly slowestBytesPerSecond?: number;
}

/** A page's inline contents, 16 KiB each, are in memory at once. */
const PAGE = 100;
const TRIES = 4;
const PATIENCE_MS = 5_000;
/** What a file costs beside its bytes, so that a million small ones are not read in one burst. */
const FILE_COST_BYTES = 64 * 1_024;
const SLOWEST_BYTES_PER_SECOND = 2 ** 20;

/**
 * One turn: goes on with the cycle under way, or begins one that is due, until it has read everything, the turn is lost,
 * or `signal` aborts. Gives the figures of a cycle that it ended, else undefined. Rejects database errors.
 */
export async function scrub(options: ScrubOptions, signal: AbortSignal): Promise<ScrubFigures | undefined> {
  const walk = openWalk<ScrubFigures>(options.database, SCRUB);
  let place = await walk.begin(options.cycleMs, NO_FIGURES);
  if (place === undefined) return undefined;
  const lost = new AbortController();
  const until = AbortSignal.any([signal, lost.signal]);
  const keeping = keepTurn(walk, lost, options.log);
  try {
    const bytesPerSecond = await paceFor(options);
    while (!until.aborted) {
      const page = await nextPage(options.database, place.cursor);
      for (const file of page) {
        place = { cursor: file.id, figures: await checkOne(options, { file, figures: place.figures, signal: until }) };
        await pause(((file.sizeBytes + FILE_COST_BYTES) / bytesPerSecond) * 1_000, until);
      }
      if (until.aborted) break;
      if (page.length === 0) return (await walk.finish(place.figures)) ? place.figures : undefined;
      if (!(await walk.advance(place))) break;
    }
    return undefined;
  } finally {
    clearInterval(keeping);
    await walk.leave().catch((err: unknown) => options.log.warn({ err }, "the scrub's turn could not be left; it ends by itself"));
  }
}

interface FileToCheck {
  readonly id: string;
  readonly tenantId: string;
  readonly sizeBytes: number;
}

/** Files that people see. What only crosses a stage boundary is short-lived, and read back by its job. */
async function nextPage(database: Database, cursor: string): Promise<FileToCheck[]> {
  return await database.asSystem((transaction) =>
    transaction.query<FileToCheck>(sql`
      SELECT id, tenant_id AS "tenantId", size_bytes AS "sizeBytes" FROM files
      WHERE id > ${cursor}::uuid AND status IN ('stored', 'quarantined') AND origin <> 'intermediate' ORDER BY id LIMIT ${PAGE}`),
  );
}

interface Check {
  readonly file: FileToCheck;
  readonly figures: ScrubFigures;
  readonly signal: AbortSignal;
}

async function checkOne(options: ScrubOptions, { file, figures, signal }: Check): Promise<ScrubFigures> {
  const result = await resultOf(options, file, signal);
  if (result === "gone" || signal.aborted) return figures;
  options.onChecked?.({ bytes: file.sizeBytes, result });
  const seen = { ...figures, files: figures.files + 1, bytes: figures.bytes + (result === "unread" ? 0 : file.sizeBytes) };
  return result === "whole" ? seen : { ...seen, [result]: figures[result] + 1 };
}

type Result = "whole" | "gone" | "missing" | "damaged" | "healed" | "unread";

async function resultOf(
  { database, contents, log, patienceMs = PATIENCE_MS }: ScrubOptions,
  file: FileToCheck,
  signal: AbortSignal,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      const checked = await readTwice(database, contents, { file, signal });
      if (checked === undefined) return "gone";
      if (checked === "whole") return (await recordHealing(database, file)) ? "healed" : "whole";
      const recorded = await recordDamage(database, file, checked);
      if (recorded === "new") log.error({ fileId: file.id, tenantId: file.tenantId, ...checked }, "a stored file is not what was stored");
      return recorded === "gone" ? "gone" : checked.kind;
    } catch (error) {
      if (signal.aborted) return "gone";
      if (isDatabaseAway(error)) throw error;
      if (error instanceof StorageError && error.code === "archived") return "unread";
      if (attempt === TRIES) {
        log.warn({ err: error, fileId: file.id }, "a file could not be read to check it; the next cycle tries again");
        return "unread";
      }
      await pause(patienceMs * 2 ** (attempt - 1), signal);
    }
  }
}

/** What looks wrong is read again with its row: it may have been deleted, or moved, while it was read. */
async function readTwice(
  database: Database,
  contents: ContentStore,
  { file, signal }: { readonly file: FileToCheck; readonly signal: AbortSignal },
): Promise<Checked | undefined> {
  let checked: Checked | undefined;
  for (let reading = 0; reading < 2 && checked !== "whole"; reading++) {
    const manifest = await manifestOf(database, file);
    if (manifest === undefined) return undefined;
    checked = await checkFile(contents, manifest, signal);
  }
  return checked;
}

async function manifestOf(database: Database, { id, tenantId }: FileToCheck): Promise<FileManifest | undefined> {
  const [manifest] = await database.asSystem((transaction) => readManifests(transaction, tenantId, [id], ["stored", "quarantined"]));
  return manifest;
}

/** So fast that all that is stored now is read in four fifths of a cycle. */
async function paceFor({ database, cycleMs, slowestBytesPerSecond = SLOWEST_BYTES_PER_SECOND }: ScrubOptions): Promise<number> {
  const [row] = await database.asSystem((transaction) =>
    transaction.query<{ cost: number }>(sql`
      SELECT coalesce(sum(bytes + files * ${FILE_COST_BYTES}), 0)::float8 AS cost FROM usage_totals`),
  );
  return Math.max(slowestBytesPerSecond, (row?.cost ?? 0) / (cycleMs / 1_000) / 0.8);
}

function keepTurn(walk: FileWalk<ScrubFigures>, lost: AbortController, log: Logger): NodeJS.Timeout {
  let until = performance.now() + WALK_LEASE_MS;
  return setInterval(() => {
    const asked = performance.now();
    walk.keep().then(
      (ours) => {
        if (ours) until = asked + WALK_LEASE_MS;
        else lost.abort();
      },
      (err: unknown) => {
        log.warn({ err }, "the scrub's turn could not be renewed");
        if (performance.now() > until) lost.abort();
      },
    );
  }, WALK_LEASE_MS / 4).unref();
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds >= 1) await delay(milliseconds, undefined, { signal }).catch(() => undefined);
}
