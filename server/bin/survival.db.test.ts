import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { jobStatus, submitText } from "../test/run-job.ts";
import { ask, endPlatform, postmasterOf, processesOn, processOf, startPlatform, type StartedPlatform } from "../test/start-platform.ts";

/** Whatever is killed under `npm start` comes back by itself, and work goes on. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let parent: string;
let dataFolder: string;
let platform: StartedPlatform;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "filemill-survival-"));
  await chmod(parent, 0o711);
  dataFolder = join(parent, "data");
  // A port of its own choice would be another one after each restart.
  platform = await startPlatform({ dataFolder });
});
afterAll(async () => {
  await endPlatform(platform.child, "SIGTERM");
  await vi.waitFor(async () => expect(await processesOn(dataFolder)).toEqual([]), { timeout: 5_000 });
  await rm(parent, { recursive: true, force: true });
});

const where = () => ({ dataFolder, address: platform.address });
const isReady = async () => (await fetch(`${platform.address}/readyz`).catch(() => undefined))?.status;

async function runJob(): Promise<void> {
  const job = await submitText(where(), { stats: { use: "text.stats" } });
  await expect.poll(() => jobStatus(where(), job), { timeout: 60_000 }).toBe("completed");
}

/** Stops the postmaster and then, as it starts no further one, its processes. */
async function freezeDatabase(): Promise<{ thaw: () => void }> {
  const postmaster = await postmasterOf(dataFolder);
  process.kill(postmaster, "SIGSTOP");
  const children = await readFile(`/proc/${postmaster}/task/${postmaster}/children`, "utf8");
  const frozen = [postmaster, ...children.trim().split(" ").map(Number)];
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  return {
    thaw() {
      for (const pid of frozen) process.kill(pid, "SIGCONT");
    },
  };
}

/** Kills it and waits until another has taken its place. */
async function kill(find: () => Promise<number>): Promise<void> {
  const before = await find();
  process.kill(before, "SIGKILL");
  await expect.poll(() => find().catch(() => before), { timeout: 20_000 }).not.toBe(before);
}

test("a killed API answers again at the same address", async () => {
  await runJob();
  await kill(() => processOf(dataFolder, "bin/api.ts"));
  await expect.poll(isReady, { timeout: 20_000 }).toBe(200);
  await runJob();
});

test("a killed worker is replaced, and the next job is done", async () => {
  await kill(() => processOf(dataFolder, "bin/worker.ts"));
  await runJob();
});

test("workers are added and let go while it runs, as an operator says", async () => {
  const workers = async () =>
    (await processesOn(dataFolder)).filter(({ command }) => command.includes("bin/worker.ts")).map(({ pid }) => pid);
  const resize = async (count: number) => {
    const init = { method: "PUT", body: JSON.stringify({ count }), headers: { "content-type": "application/json" } };
    const answer = await ask(where(), "/api/v1/admin/workers", init);
    return { status: answer.status, body: await answer.json() };
  };
  const [first] = await workers();
  expect(await resize(2)).toEqual({ status: 200, body: { count: 2, was: 1 } });
  expect(await resize(0)).toEqual({ status: 200, body: { count: 0, was: 2 } });
  await expect.poll(workers, { timeout: 20_000 }).toEqual([]);
  expect(await resize(1)).toEqual({ status: 200, body: { count: 1, was: 0 } });
  await runJob();
  expect(await workers()).toEqual([expect.any(Number)]);
  expect(await workers()).not.toEqual([first]);
});

test("while the database is silent the API says that it isn't ready", async () => {
  expect(await isReady()).toBe(200);
  const { thaw } = await freezeDatabase();
  try {
    await expect.poll(isReady, { timeout: 10_000 }).toBe(503);
  } finally {
    thaw();
  }
  await expect.poll(isReady, { timeout: 10_000 }).toBe(200);
});

test("a killed database is started again at its port, and everybody goes on with it", async () => {
  await kill(() => postmasterOf(dataFolder));
  await expect.poll(platform.output, { timeout: 20_000 }).toContain("PostgreSQL runs again");
  await expect.poll(isReady, { timeout: 30_000 }).toBe(200);
  await runJob();
  expect((await ask(where(), "/api/v1/files")).status).toBe(200);
});
