import { expect, test } from "vitest";
import { databaseRestarts } from "./f05-database-restarts.ts";

test("F05: 20 s of database restarts under load burn nothing and lose nothing", { timeout: 180_000 }, async () => {
  expect((await databaseRestarts(20)).findings).toEqual([]);
});
