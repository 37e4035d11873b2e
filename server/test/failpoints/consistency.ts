import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { expect } from "vitest";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { collectGarbage } from "../../src/lifecycle/collect-garbage.ts";
import { messageBytes } from "../../src/storage/encrypt/layout.ts";
import { encodePrefix } from "../../src/storage/encrypt/prefix.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { createObjectStores } from "../../src/storage/object-stores.ts";

/** After garbage collection no object is without a row, no row without its whole object, and two hours later no temp file is left. */
export async function expectConsistent(database: Database, storeFolder: string): Promise<void> {
  const temp = join(storeFolder, "tmp");
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1_000);
  for (const name of await readdir(temp)) await utimes(join(temp, name), longAgo, longAgo);
  const store = await openDiskStore({ folder: storeFolder });
  await collectGarbage({ database, stores: createObjectStores([{ store }]), graceMs: 0, log: pino({ level: "silent" }) });
  const rows = await database.asSystem((transaction) =>
    transaction.query<SegmentRow>(sql`
      SELECT object_key AS key, size_bytes AS "sizeBytes", tenant_id AS "tenantId", object_id AS "objectId" FROM segments`),
  );
  const objects: { key: string; size: number }[] = [];
  for await (const { key, sizeBytes } of store.list("")) objects.push({ key, size: sizeBytes });
  const byKey = (left: { key: string }, right: { key: string }) => (left.key < right.key ? -1 : 1);
  expect(objects.sort(byKey)).toEqual(rows.map((row) => ({ key: row.key, size: storedBytes(row) })).sort(byKey));
  expect(await readdir(temp)).toEqual([]);
  await store.close();
}

interface SegmentRow {
  readonly key: string;
  readonly sizeBytes: number;
  readonly tenantId: string;
  readonly objectId: string;
}

/** Of a sealed object; its segment's number is the last part of its key. */
function storedBytes({ key, sizeBytes, ...name }: SegmentRow): number {
  return encodePrefix({ ...name, segment: Number(key.split("/").at(-1)) }).length + messageBytes(sizeBytes);
}
