import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestPool, processesWith, step, until, type TestPool } from "../../../test/hosts.ts";

let hosts: TestPool;
beforeAll(async () => {
  hosts = await openTestPool();
});
afterAll(() => hosts[Symbol.asyncDispose]());

const poisoned = { "good.txt": "1", "poison.txt": "2", "after.txt": "3" };

async function serves(): Promise<number> {
  const { texts, tookMs } = await hosts.run("tenant", { steps: [step("probe.upper")], files: { "x.txt": "alive" } });
  expect(texts).toEqual(["ALIVE"]);
  return tookMs;
}

test("a processor that throws fails its entry as crashed, without a stack, and the others are done", async () => {
  const { outcome } = await hosts.run("tenant", {
    steps: [step("demo.fail", { with: { class: "crashed", only: "poison" } })],
    files: poisoned,
  });
  if (outcome.type !== "done") throw new Error(JSON.stringify(outcome));
  expect(outcome.results.map((result) => result.ok)).toEqual([true, false, true]);
  const failed = outcome.results[1];
  expect(failed).toMatchObject({ failure: { class: "crashed", code: "crashed" }, step: "s" });
  expect(JSON.stringify(failed)).not.toContain(".ts");
  await until(() => hosts.logged.some((line) => line.includes("demo-faults.ts")), 2_000);
});

test.each([
  ["SIGSEGV", "crashed"],
  ["exit0", "crashed"],
  ["abort", "crashed"],
])("a host that ends by %s in the middle of a task is %s, and tells in which entry", async (signal, expected) => {
  const { outcome } = await hosts.run("tenant", { steps: [step("demo.crash", { with: { signal, only: "poison" } })], files: poisoned });
  expect(outcome).toMatchObject({ type: "died", failure: { class: expected, code: expected }, entry: { index: 1, step: "s" } });
  expect(await serves()).toBeLessThan(2_000);
});

test("a host that takes more memory than the task may is ended, and the next task starts within 2 s", async () => {
  const bytes = 3 * 2 ** 30;
  const { outcome } = await hosts.run("tenant", { steps: [step("demo.hog", { with: { bytes } })], memoryBytes: 256 * 2 ** 20 });
  expect(outcome).toMatchObject({
    type: "died",
    failure: { class: "resource_exhausted", code: "resource_exhausted" },
    entry: { index: 0 },
  });
  expect(await serves()).toBeLessThan(2_000);
});

test("a full JavaScript heap is resource_exhausted too, although the host ends by itself", async () => {
  await using small = await openTestPool({ heapBytes: 64 * 2 ** 20 });
  const { outcome } = await small.run("tenant", { steps: [step("probe.heap")], memoryBytes: 2 ** 30 });
  expect(outcome).toMatchObject({ type: "died", failure: { class: "resource_exhausted" } });
});

test.each([
  ["hangs and ignores SIGTERM", {}],
  ["blocks its event loop", { spin: true }],
])("a host that %s and has forked is gone with its child 2 s after the step's limit", async (_, how) => {
  const name = `hang-${JSON.stringify(how).length}-${process.pid}`;
  const started = performance.now();
  const { outcome } = await hosts.run("tenant", {
    steps: [step("demo.hang", { with: { ignore_sigterm: true, fork: true, ...how }, timeoutMs: 500 })],
    files: { [name]: "x" },
  });
  expect(outcome).toMatchObject({ type: "died", failure: { class: "timeout", code: "timeout" }, entry: { index: 0, step: "s" } });
  expect(performance.now() - started).toBeLessThan(2_500);
  expect(await processesWith(`demo.hang:${name}`)).toEqual([]);
});

test("the limit of the whole task ends it as well", async () => {
  const { outcome, tookMs } = await hosts.run("tenant", { steps: [step("demo.sleep", { with: { ms: 60_000 } })], wallMs: 400 });
  expect(outcome).toMatchObject({ type: "died", failure: { class: "timeout" } });
  expect(tookMs).toBeLessThan(2_400);
  expect(await serves()).toBeLessThan(2_000);
});

test("a processor that heeds its signal times out alone, and its host stays", async () => {
  const before = hosts.pool.hosts().map((host) => host.pid);
  const { outcome } = await hosts.run("tenant", {
    steps: [step("demo.sleep", { with: { ms: 60_000, only: "poison" }, timeoutMs: 200 })],
    files: poisoned,
  });
  if (outcome.type !== "done") throw new Error(JSON.stringify(outcome));
  expect(outcome.results.map((result) => (result.ok ? "ok" : result.failure.class))).toEqual(["ok", "timeout", "ok"]);
  expect(hosts.pool.hosts().map((host) => host.pid)).toEqual(before);
});

test("a child that leaves the host's process group ends with the host", async () => {
  const mark = `escaped-${process.pid}`;
  const { outcome } = await hosts.run("tenant", { steps: [step("probe.escape", { with: { mark }, timeoutMs: 500 })] });
  expect(outcome).toMatchObject({ type: "died", failure: { class: "timeout" } });
  expect(await processesWith(mark)).toEqual([]);
});

test("cancelling ends a task that does not listen within 2 s, and one that does at once", async () => {
  for (const use of ["demo.hang", "demo.sleep"]) {
    const abort = new AbortController();
    const { outcome, tookMs } = await hosts.run("tenant", {
      steps: [step(use, use === "demo.sleep" ? { with: { ms: 60_000 } } : {})],
      signal: abort.signal,
      onBegun: () => abort.abort(),
    });
    expect(outcome).toEqual({ type: "cancelled" });
    expect(tookMs).toBeLessThan(2_000);
  }
});
