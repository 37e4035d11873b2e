import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { expect } from "vitest";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { collectGarbage } from "../../src/lifecycle/collect-garbage.ts";
import { openDiskStore } from "../../src/storage/disk.ts";

/** After garbage collection no object is without a row, no row without its whole object, and two hours later no temp file is left. */
export async function expectConsistent(database: Database, storeFolder: string): Promise<void> {
  const temp = join(storeFolder, "tmp");
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1_000);
  for (const name of await readdir(temp)) await utimes(join(temp, name), longAgo, longAgo);
  const store = await openDiskStore({ folder: storeFolder });
  await collectGarbage({ database, store, graceMs: 0, log: pino({ level: "silent" }) });
  const rows = await database.asSystem((transaction) =>
    transaction.query<{ key: string; size: number }>(sql`SELECT object_key AS key, size_bytes AS size FROM segments`),
  );
  const objects: { key: string; size: number }[] = [];
  for await (const { key, sizeBytes } of store.list("")) objects.push({ key, size: sizeBytes });
  const byKey = (left: { key: string }, right: { key: string }) => (left.key < right.key ? -1 : 1);
  expect(objects.sort(byKey)).toEqual([...rows].sort(byKey));
  expect(await readdir(temp)).toEqual([]);
  await store.close();
}
