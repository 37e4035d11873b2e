import type { StorageClass } from "@filemill/contract/storage-class.ts";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import type { ObjectStores } from "../storage/object-stores.ts";
import { openWalk } from "./file-walk.ts";
import { moveFile } from "./storage-classes.ts";

export interface TieringOptions {
  readonly database: Database;
  readonly stores: Pick<ObjectStores, "named">;
  /** How long nobody has fetched a file, or none has since it was stored, before it goes there; left out: never. */
  readonly coldAfterMs?: number | undefined;
  readonly archiveAfterMs?: number | undefined;
  /** From the beginning of a walk over all files to the beginning of the next. */
  readonly cycleMs: number;
  readonly log: Logger;
}

export interface TieringFigures {
  readonly moved: number;
  /** Their store was away, or had lost them; the next walk tries again. */
  readonly failed: number;
}

const PAGE = 500;

interface IdleFile {
  readonly id: string;
  readonly storageClass: StorageClass;
  readonly wanted: StorageClass;
}

/**
 * One turn of the walk that moves files which nobody uses any more to colder classes; never to warmer ones, which is for
 * whoever wants to read them. Gives the figures of a walk that it ended, else undefined. Rejects database errors.
 */
export async function moveIdleFiles(options: TieringOptions, signal: AbortSignal): Promise<TieringFigures | undefined> {
  const { database, cycleMs, log } = options;
  const walk = openWalk<TieringFigures>(database, "tiering");
  let place = await walk.begin(cycleMs, { moved: 0, failed: 0 });
  if (place === undefined) return undefined;
  try {
    while (!signal.aborted) {
      const page = await nextPage(options, place.cursor);
      let { moved, failed }: { moved: number; failed: number } = place.figures;
      for (const file of page.idle) {
        if (signal.aborted || !(await walk.keep())) return undefined;
        try {
          if ((await moveFile(options, file, file.wanted)) !== file.storageClass) moved++;
        } catch (err) {
          if (!(err instanceof StorageError)) throw err;
          log.warn({ err, fileId: file.id, wanted: file.wanted }, "a file could not be moved to another class");
          failed++;
        }
      }
      place = { cursor: page.last ?? place.cursor, figures: { moved, failed } };
      if (page.last === undefined) return (await walk.finish(place.figures)) ? place.figures : undefined;
      if (!(await walk.advance(place))) return undefined;
    }
    return undefined;
  } finally {
    await walk.leave().catch((err: unknown) => log.warn({ err }, "the turn to move files could not be left; it ends by itself"));
  }
}

/** A page of all files, by their ids; `last` is undefined behind the end. */
async function nextPage(
  { database, coldAfterMs, archiveAfterMs }: TieringOptions,
  cursor: string,
): Promise<{ idle: IdleFile[]; last: string | undefined }> {
  const rows = await database.asSystem((transaction) =>
    transaction.query<{ id: string; storageClass: StorageClass; wanted: StorageClass | null }>(sql`
      SELECT id, storage_class AS "storageClass", CASE
          WHEN status <> 'stored' OR origin = 'intermediate' OR NOT EXISTS (SELECT FROM segments WHERE file_id = page.id) THEN NULL
          WHEN storage_class <> 'archive' AND idle_ms > ${archiveAfterMs ?? null}::float8 THEN 'archive'
          WHEN storage_class = 'hot' AND idle_ms > ${coldAfterMs ?? null}::float8 THEN 'cold' END AS wanted
      FROM (
        SELECT id, storage_class, status, origin,
          (extract(epoch FROM now() - greatest(created_at, last_read_at)) * 1000)::float8 AS idle_ms
        FROM files WHERE id > ${cursor}::uuid ORDER BY id LIMIT ${PAGE}) AS page
      ORDER BY id`),
  );
  const idle = rows.flatMap(({ id, storageClass, wanted }) => (wanted === null ? [] : [{ id, storageClass, wanted }]));
  return { idle, last: rows.at(-1)?.id };
}
