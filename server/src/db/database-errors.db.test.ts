import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { whyUnreachable } from "./database-errors.ts";
import { openDatabase } from "./database.ts";
import { requireMigrated } from "./require-migrated.ts";

let cloned: ClonedDatabase;
beforeAll(async () => {
  cloned = await cloneDatabase();
});
afterAll(() => cloned.close());

test.for([
  ["another password", { password: "wrong" }, /^The database refuses the login: .*Check the user and the password/],
  ["a database that is not there", { pathname: "/nothing" }, /^There is no such database: .*Create it/],
  ["a port where nobody listens", { port: "1" }, /^The database can't be reached: .*Check that it runs/],
] as const)("a start with %s is told what to do", async ([_what, change, told]) => {
  const url = Object.assign(new URL(cloned.url), change);
  const database = openDatabase({ url: url.href, applicationName: "test" });
  const failure = await requireMigrated(database).catch((error: unknown) => error);
  await database.close();
  expect(failure).toMatchObject({ name: "MigrationError", code: "unreachable", message: expect.stringMatching(told) });
});

test("another error is not explained away", () => {
  expect(whyUnreachable(new Error("no"))).toBeUndefined();
});
