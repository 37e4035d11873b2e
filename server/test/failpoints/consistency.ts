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

/**
 * After garbage collection no object is without a row, no row without its whole object, and two hours later no temp file is
 * left; no key is without its object, no room reserved for the dead, and what is counted as used is the sum over the files.
 */
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
  expect(await leftOver(database)).toEqual({ keys: 0, emptied: 0, undead: 0, reservations: 0, miscounted: [] });
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

/** What rows say that they should not, each with how many say it. */
async function leftOver(database: Database): Promise<object | undefined> {
  const [row] = await database.asSystem((transaction) =>
    transaction.query<object>(sql`
      SELECT
        (SELECT count(*) FROM object_keys AS key
         WHERE NOT EXISTS (SELECT FROM segments WHERE object_id = key.object_id)
           AND NOT EXISTS (SELECT FROM inline_objects WHERE file_id = key.object_id)
           AND NOT EXISTS (SELECT FROM upload_segments WHERE object_id = key.object_id)) AS keys,
        (SELECT count(*) FROM files WHERE status = 'stored' AND size_bytes > 0
           AND NOT EXISTS (SELECT FROM segments WHERE file_id = files.id)
           AND NOT EXISTS (SELECT FROM inline_objects WHERE file_id = files.id)) AS emptied,
        (SELECT count(*) FROM files WHERE status = 'deleted'
           AND (EXISTS (SELECT FROM segments WHERE file_id = files.id) OR EXISTS (SELECT FROM inline_objects WHERE file_id = files.id))) AS undead,
        (SELECT count(*) FROM quota_reservations WHERE lease_until < now()) AS reservations,
        (SELECT coalesce(json_agg(tenant_id), '[]') FROM (
          SELECT tenant_id FROM (
            SELECT tenant_id, bytes, files FROM usage_totals
            UNION ALL SELECT tenant_id, bytes, files FROM usage_changes
            UNION ALL SELECT tenant_id, -size_bytes, -1 FROM files WHERE status IN ('stored', 'quarantined') AND origin <> 'intermediate'
          ) AS counted GROUP BY tenant_id HAVING sum(bytes) <> 0 OR sum(files) <> 0) AS wrong) AS miscounted`),
  );
  return row;
}
