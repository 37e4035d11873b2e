import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

export interface ReadNotes {
  /** Somebody fetches the file now. Costs nothing here; never fails. */
  noted(fileId: string): void;
  /** Writes what is noted. */
  close(): Promise<void>;
}

const FLUSH_MS = 60_000;
/** More than that in a minute, and the oldest notes are written early. */
const MOST = 10_000;

/**
 * When files were last read, to the hour, off the path of those who read: what a process notes it writes once a minute, in
 * one statement, and a file that is fetched a thousand times an hour is changed once. What a process that died had noted is
 * lost; the class of a file changes after days.
 */
export function openReadNotes({ database, log }: { readonly database: Database; readonly log: Logger }): ReadNotes {
  let noted = new Set<string>();
  let flushing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => (flushing = flush()), FLUSH_MS);
  timer.unref();

  async function flush(): Promise<void> {
    if (noted.size === 0) return;
    const ids = [...noted].sort();
    noted = new Set();
    await database
      .asSystem((transaction) =>
        transaction.execute(sql`
          UPDATE files SET last_read_at = date_trunc('hour', now())
          WHERE id = ANY(ARRAY(
            SELECT id FROM files WHERE id = ANY(${ids}::uuid[]) AND last_read_at IS DISTINCT FROM date_trunc('hour', now())
            ORDER BY id FOR UPDATE SKIP LOCKED))`),
      )
      .catch((err: unknown) => log.warn({ err, files: ids.length }, "it could not be noted which files were read"));
  }

  return {
    noted(fileId) {
      noted.add(fileId);
      if (noted.size >= MOST) flushing = flush();
    },
    async close() {
      clearInterval(timer);
      await flushing;
      await flush();
    },
  };
}
