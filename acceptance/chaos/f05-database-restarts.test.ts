import { expect, test } from "vitest";
import { databaseRestarts } from "./f05-database-restarts.ts";

test("F05: 20 s of database restarts under load burn nothing and lose nothing", { timeout: 300_000 }, async () => {
  expect((await databaseRestarts(20)).findings).toEqual([]);
});
