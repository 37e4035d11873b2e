import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { sql } from "../db/sql.ts";
import { expireRows } from "./expire-rows.ts";

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());

test("upload links go thirty days after their end, of many collectors at once each once", async () => {
  const { database } = clone;
  const tenant = randomUUID();
  await database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenant}, 'links')`));
  await database.asTenant(tenant, (transaction) =>
    transaction.execute(sql`
      INSERT INTO upload_links (id, tenant_id, max_bytes, media_types, expires_at)
      SELECT gen_random_uuid(), ${tenant}::uuid, 1, '{}', now() - days * interval '1 day'
      FROM generate_series(-7, 60) AS days, generate_series(1, 200) AS copies`),
  );
  const rounds = await Promise.all([expireRows(database), expireRows(database), expireRows(database)]);
  expect(rounds.reduce((sum, { uploadLinks }) => sum + uploadLinks, 0)).toBe(31 * 200);
  const [left] = await database.asSystem((transaction) =>
    transaction.query<{ count: number; oldest: number }>(sql`
      SELECT count(*)::int AS count, max(extract(day FROM now() - expires_at))::int AS oldest FROM upload_links`),
  );
  expect(left).toEqual({ count: 37 * 200, oldest: 29 });
});
