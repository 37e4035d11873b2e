import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "../src/db/sql.ts";
import type { TestApp } from "./test-app.ts";

/** Rows and objects of everybody, and temp files: what has to be the same before and after a refusal. */
export async function keptBy(app: TestApp): Promise<{ files: number; objects: string[]; temp: string[] }> {
  const [row] = await app.cloned.database.asSystem((transaction) =>
    transaction.query<{ count: number }>(sql`SELECT count(*) FROM (SELECT id FROM files UNION ALL SELECT file_id FROM segments) AS rows`),
  );
  const objects = await Array.fromAsync(app.services.store.list(""), ({ key }) => key);
  return { files: row?.count ?? -1, objects: objects.toSorted(), temp: await readdir(join(app.folder, "tmp")) };
}
