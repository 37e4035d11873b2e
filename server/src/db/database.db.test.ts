import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { sql } from "./sql.ts";

let db: ClonedDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db.close());

test("a transaction acts as the role that it names", async () => {
  const role = (transaction: { query<Row>(statement: ReturnType<typeof sql>): Promise<Row[]> }) =>
    transaction.query<{ role: string; login: string }>(sql`SELECT current_user AS role, session_user AS login`);
  expect(await db.database.asSystem(role)).toEqual([{ role: "filemill_system", login: "filemill" }]);
  expect(await db.database.asTenant("00000000-0000-7000-8000-000000000001", role)).toEqual([{ role: "filemill_app", login: "filemill" }]);
});

test("a transaction that fails leaves nothing, and its connection serves the next one", async () => {
  const id = "00000000-0000-7000-8000-000000000002";
  const attempt = db.database.asSystem(async (transaction) => {
    await transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${id}, 'gone')`);
    await transaction.execute(sql`SELECT 1 / 0`);
  });
  await expect(attempt).rejects.toThrow("division by zero");
  expect(await db.database.asSystem((transaction) => transaction.query(sql`SELECT id FROM tenants`))).toEqual([]);
});
