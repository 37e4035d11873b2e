import { randomBytes, randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { byteaArray } from "./bytea-array.ts";
import { sql } from "./sql.ts";

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());

it.each([
  ["none", []],
  ["an empty one", [Buffer.alloc(0)]],
  ["many of all lengths", Array.from({ length: 300 }, () => randomBytes(randomInt(3_000)))],
])("gives PostgreSQL the elements as they are: %s", async (_what, elements) => {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ elements: Buffer[]; first: number | null }>(sql`
      SELECT given AS elements, array_lower(given, 1) AS first FROM (SELECT ${byteaArray(elements)}::bytea[]) AS one(given)`),
  );
  expect(row?.elements.map((element) => element.toString("hex"))).toEqual(elements.map((element) => element.toString("hex")));
  if (elements.length > 0) expect(row?.first).toBe(1);
});
