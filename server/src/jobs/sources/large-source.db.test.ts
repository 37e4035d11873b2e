import { afterAll, beforeAll, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { listAndDrain } from "../../../test/collect/list-and-drain.ts";

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());

test("a source of 30,000 objects is listed with flat memory, never far ahead, and progress only grows", { timeout: 300_000 }, () =>
  listAndDrain(clone, 30_000),
);
