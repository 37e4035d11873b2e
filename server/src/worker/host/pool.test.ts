import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTestPool, step, until } from "../../../test/hosts.ts";

const upper = { steps: [step("probe.upper")] };

async function pidOf(hosts: Awaited<ReturnType<typeof openTestPool>>, tenantId: string): Promise<number> {
  const { outcome } = await hosts.run(tenantId, upper);
  expect(outcome.type).toBe("done");
  return hosts.pool.hosts().findLast((host) => host.tenantId === tenantId)?.pid ?? -1;
}

test("outputs are regular files in the task's folder, and inputs that were passed on are named, not copied", async () => {
  await using hosts = await openTestPool();
  const steps = [step("demo.noop", { name: "same" }), step("probe.upper", { name: "loud", needs: ["same"] })];
  let begun = 0;
  const { outcome, texts } = await hosts.run("tenant", {
    steps,
    files: { "a.txt": "one", "b.txt": "two" },
    onBegun: () => (begun += 1),
  });
  expect(outcome.type).toBe("done");
  expect(texts).toEqual(["passed 0", "ONE", "passed 1", "TWO"]);
  expect(begun).toBe(1);
});

test("a host serves one tenant only, is warm for its next task, and the longest idle one makes room", async () => {
  await using hosts = await openTestPool({ slots: 1, idle: 1, spares: 1 });
  const served = new Map<number, string>();
  const pids: Record<string, number> = {};
  for (const tenantId of ["a", "a", "b", "a", "c", "b", "a", "b"]) {
    const pid = await pidOf(hosts, tenantId);
    expect(served.get(pid) ?? tenantId).toBe(tenantId);
    served.set(pid, tenantId);
    pids[tenantId] = pid;
  }
  expect(await pidOf(hosts, "b")).toBe(pids.b);
  await until(() => hosts.pool.hosts().length <= 3, 5_000);
});

test("no more tasks run at once than there are slots, and one that waits can be cancelled", async () => {
  await using hosts = await openTestPool({ slots: 1 });
  const first = new AbortController();
  const second = new AbortController();
  const sleep = [step("demo.sleep", { with: { ms: 60_000 } })];
  let isRunning = false;
  const running = hosts.run("a", { steps: sleep, signal: first.signal, onBegun: () => (isRunning = true) });
  await until(() => isRunning, 5_000);
  const waiting = hosts.run("b", { steps: sleep, signal: second.signal });
  await until(() => hosts.pool.hosts().filter((host) => host.isBusy).length === 1, 1_000);
  second.abort();
  expect((await waiting).outcome).toEqual({ type: "cancelled" });
  expect(hosts.pool.hosts().some((host) => host.tenantId === "b")).toBe(false);
  first.abort();
  expect((await running).outcome).toEqual({ type: "cancelled" });
  // The host listened and stays for its tenant.
  expect(hosts.pool.hosts().filter((host) => host.tenantId === "a")).toHaveLength(1);
});

test("a host is replaced after its number of tasks", async () => {
  await using hosts = await openTestPool({ tasksPerHost: 2, spares: 0 });
  const pids = [await pidOf(hosts, "a"), await pidOf(hosts, "a").catch(() => 0)];
  expect(pids[0]).not.toBe(0);
  await until(() => hosts.pool.hosts().length === 0, 5_000);
  expect(await pidOf(hosts, "a")).not.toBe(pids[0]);
});

test("a host that leaves files behind is replaced, so that no task finds those of another", async () => {
  await using hosts = await openTestPool();
  const { outcome } = await hosts.run("a", { steps: [step("probe.litter")] });
  expect(outcome.type).toBe("done");
  await until(() => !hosts.pool.hosts().some((host) => host.tenantId === "a"), 5_000);
  const [owner] = await readdir(hosts.root);
  expect(await readdir(join(hosts.root, owner ?? "", "tasks"))).toEqual([]);
});

test.each(["symbolic", "hard", "fifo", "nothing"])("an output that is no regular file of its own (%s) is refused", async (kind) => {
  await using hosts = await openTestPool({ spares: 0 });
  const { outcome } = await hosts.run("a", { steps: [step("probe.link", { with: { kind } })] });
  expect(outcome).toMatchObject({ type: "done", results: [{ ok: false, failure: { class: "crashed" } }] });
});

test("a host that can't be started is trouble of this worker, not of the task", async () => {
  await using hosts = await openTestPool({ extraModules: ["/absent/module.ts"], spares: 0 });
  const { outcome } = await hosts.run("a", upper);
  expect(outcome).toMatchObject({ type: "died", failure: { class: "infrastructure" } });
});

test("closing ends running tasks and every host, and leaves no file", async () => {
  const hosts = await openTestPool();
  let isRunning = false;
  const running = hosts.run("a", { steps: [step("demo.hang", { with: { spin: true } })], onBegun: () => (isRunning = true) });
  await until(() => isRunning, 5_000);
  const pids = hosts.pool.hosts().map((host) => host.pid);
  await hosts.pool.close();
  expect((await running).outcome).toEqual({ type: "cancelled" });
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(await readdir(hosts.root)).toEqual([]);
  await hosts[Symbol.asyncDispose]();
});

test("an entry outside of the task's folder is refused before any host sees it", async () => {
  await using hosts = await openTestPool({ spares: 0 });
  const folder = await hosts.pool.taskFolder();
  const entry = { from: "", path: "/etc/hostname", name: "x", sizeBytes: 1, mediaType: "text/plain" };
  const run = { type: "run", kind: "map", ...upper, entries: [entry], scratch: folder.path } as const;
  const task = { limits: { memoryBytes: 2 ** 30, wallMs: 1_000 }, signal: new AbortController().signal };
  await expect(hosts.pool.run("a", run, task)).rejects.toThrow("does not lie directly");
  expect(hosts.pool.hosts()).toEqual([]);
});
