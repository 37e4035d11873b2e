import v8 from "node:v8";
import vm from "node:vm";
import { expect, test } from "vitest";
import { openTestPool, step } from "../../../test/hosts.ts";

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc") as () => void;

test("a task leaves nothing in the worker, however long its host lives on", async () => {
  await using hosts = await openTestPool({ slots: 1 });
  const files = Object.fromEntries(Array.from({ length: 5 }, (_unused, index) => [`${"n".repeat(150)}-${index}.txt`, "x"]));
  const heapAfter = async (tasks: number): Promise<number> => {
    for (let task = 0; task < tasks; task += 1) await hosts.run("tenant", { steps: [step("demo.noop")], files });
    collect();
    return process.memoryUsage().heapUsed;
  };
  const warm = await heapAfter(100);
  const [pid] = hosts.pool.hosts().flatMap((host) => (host.tenantId === undefined ? [] : [host.pid]));
  const grown = (await heapAfter(2_000)) - warm;
  expect(hosts.pool.hosts().some((host) => host.pid === pid)).toBe(true);
  // It was many times as much when every task left a closure with its inputs and results behind.
  expect(grown).toBeLessThan(2 * 2 ** 20);
}, 60_000);
