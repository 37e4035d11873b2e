import { createServer } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_SANDBOX, openTestPool, processesWith, step, type TestPool } from "../../../test/hosts.ts";

let hosts: TestPool;
beforeAll(async () => {
  process.env.FILEMILL_TEST_SECRET = "parents-secret";
  hosts = await openTestPool();
});
afterAll(async () => {
  delete process.env.FILEMILL_TEST_SECRET;
  await hosts[Symbol.asyncDispose]();
});

test("bwrap works on this machine, and is what hosts run in", () => {
  expect(hosts.pool.sandbox).toMatchObject({ mode: "bwrap", codecs: true });
});

test("a host has no variable of the worker's environment, and nothing but the few it needs", async () => {
  const { texts } = await hosts.run("tenant", { steps: [step("probe.look")] });
  const { env } = JSON.parse(texts[0] ?? "") as { env: Record<string, string> };
  const expected = [
    "FILEMILL_HOST",
    "HOME",
    "LANG",
    "MALLOC_ARENA_MAX",
    "NODE_COMPILE_CACHE",
    "PATH",
    "TMPDIR",
    "UV_THREADPOOL_SIZE",
    "VIPS_CONCURRENCY",
  ];
  // PWD is set by bwrap and the two NODE_CHANNEL_ ones by node, which also removes them.
  expect(
    Object.keys(env)
      .filter((name) => name !== "PWD" && name !== "OLDPWD" && !name.startsWith("NODE_CHANNEL_"))
      .sort(),
  ).toEqual(expected);
  expect(texts[0]).not.toContain("parents-secret");
});

test("no process but its own is there to look at, not even the worker's environment in /proc", async () => {
  const read = async (path: string): Promise<string> =>
    (await hosts.run("tenant", { steps: [step("probe.read", { with: { path } })] })).texts[0] ?? "";
  expect(await readFile(`/proc/${process.pid}/environ`, "utf8")).toBeTypeOf("string");
  expect(await read(`/proc/${process.pid}/environ`)).toContain("ENOENT");
  expect(await read("/proc/1/environ")).not.toContain("parents-secret");
});

test("a host can't reach a listener on this machine, and the listener sees nothing", async () => {
  let connections = 0;
  const server = createServer(() => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no port");
  try {
    const dial = { steps: [step("probe.dial", { with: { port: address.port } })] };
    const { texts } = await hosts.run("tenant", dial);
    expect(texts).not.toEqual(['"connected"']);
    expect(connections).toBe(0);
    // The same probe without a sandbox does connect: the test can fail.
    await using open = await openTestPool({ sandbox: NO_SANDBOX });
    expect((await open.run("tenant", dial)).texts).toEqual(['"connected"']);
    expect(connections).toBe(1);
  } finally {
    server.close();
  }
});

test("a host can't read outside of its own folder: not the data folder, not another tenant's task", async () => {
  const data = await mkdtemp(join(tmpdir(), "filemill-data-"));
  const other = await hosts.pool.taskFolder();
  try {
    for (const folder of [data, other.path]) {
      const path = join(folder, "secret.txt");
      await writeFile(path, "theirs");
      const { texts } = await hosts.run("tenant", { steps: [step("probe.read", { with: { path } })] });
      expect(texts[0]).toContain("ENOENT");
    }
    for (const path of ["/etc/shadow", "/root/.bashrc", "/etc/passwd"]) {
      const { texts } = await hosts.run("tenant", { steps: [step("probe.read", { with: { path } })] });
      expect(texts[0]).toContain("ENOENT");
    }
  } finally {
    await other.remove();
    await rm(data, { recursive: true });
  }
});

test("without the sandbox that is required, codec processors are refused and others run", async () => {
  await using bare = await openTestPool({ sandbox: { mode: "none", codecs: false, reason: "absent" }, spares: 0 });
  const codec = await bare.run("tenant", { steps: [step("image.metadata")] });
  expect(codec.outcome).toMatchObject({ type: "done", results: [{ ok: false, failure: { class: "infrastructure" } }] });
  expect((await bare.run("tenant", { steps: [step("probe.upper")] })).texts).toEqual(["HELLO"]);
});

test("a host that tells of a file outside of its task's folder, or of none, is ended and its results are refused", async () => {
  for (const path of ["/etc/hostname", "/scratch/task/../../etc/hostname", "/scratch/task/absent"]) {
    const { outcome } = await hosts.run("tenant", { steps: [step("probe.lie", { with: { path } })] });
    expect(outcome).toMatchObject({ type: "died", failure: { class: "crashed" } });
  }
});

test("where no bwrap is, a host ends with all that it started all the same", async () => {
  await using bare = await openTestPool({ sandbox: NO_SANDBOX });
  const mark = `bare-${process.pid}`;
  const { outcome } = await bare.run("tenant", { steps: [step("probe.escape", { with: { mark }, timeoutMs: 300 })] });
  expect(outcome).toMatchObject({ type: "died", failure: { class: "timeout" } });
  expect(await processesWith(mark)).toEqual([]);
});
