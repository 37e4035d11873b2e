import { expect, test } from "vitest";
import { databaseRestarts } from "./f05-database-restarts.ts";
import { amount } from "./seed.ts";

/** CHAOS_F05_SECONDS, 300 for the full run. */
test("F05: a minute of database restarts under load burns nothing and loses nothing", async () => {
  expect((await databaseRestarts(amount("CHAOS_F05_SECONDS", 60))).findings).toEqual([]);
});
