import { expect, test } from "vitest";
import { powerCuts } from "./durability/power-cuts.ts";
import { sabotaged } from "./sabotage.ts";
import { CHECKOUT } from "./site.ts";

test("F30: a power cut after any call of the disk store loses nothing that was acknowledged", async () => {
  const cuts = await powerCuts(CHECKOUT);
  expect(cuts.lost).toEqual([]);
  expect(cuts.acknowledged).toBe(24);
  expect(cuts.steps).toBeGreaterThan(150);
});

test.each([
  { name: "the file's fsync is not waited for", find: /await (handle\.sync\(\))/ },
  { name: "the folder's fsync is not waited for", find: /await (folders\.sync\(dirname\(path\)\))/ },
  { name: "the fsync of the folder above is not waited for", find: /await (at\.folders\.sync\(parent\))/ },
])("sabotage, acknowledged before it is durable: $name", async ({ find }) => {
  const { lost } = await sabotaged([{ file: "storage/disk.ts", find, put: "void $1" }], powerCuts);
  expect(lost).not.toEqual([]);
});
