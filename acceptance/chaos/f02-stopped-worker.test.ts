import { expect, test } from "vitest";
import { stoppedWorker } from "./f02-stopped-worker.ts";

test("F02: a worker stopped for two leases changes nothing when it comes back", { timeout: 300_000 }, async () => {
  expect((await stoppedWorker({})).findings).toEqual([]);
});
