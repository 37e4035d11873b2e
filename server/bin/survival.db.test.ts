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
