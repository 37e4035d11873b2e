import type { ChildProcess } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileResource, Page } from "@filemill/contract/files.ts";
import { JobSummary } from "@filemill/contract/jobs.ts";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { jobStatus, submitText } from "../test/run-job.ts";
import {
  ask,
  endPlatform,
  freePort,
  launchPlatform,
  postmasterOf,
  processesOn,
  startPlatform,
  type StartedPlatform,
} from "../test/start-platform.ts";

vi.setConfig({ testTimeout: 120_000 });
const LISTED = "/api/v1/files";

let parent: string;
let dataFolder: string;
const started: ChildProcess[] = [];
let squatter: Server | undefined;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "filemill-all-"));
  await chmod(parent, 0o711);
  dataFolder = join(parent, "data");
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => endPlatform(child, "SIGTERM")));
  squatter?.close();
  squatter = undefined;
});
afterAll(() => rm(parent, { recursive: true, force: true }));

async function start(variables: Record<string, string> = {}): Promise<StartedPlatform> {
  const platform = await startPlatform({ dataFolder, variables });
  started.push(platform.child);
  return platform;
}

/** A port that another program has. */
async function takenPort(): Promise<string> {
  squatter = createServer().listen(0, "127.0.0.1");
  await once(squatter, "listening");
  const address = squatter.address();
  return String(typeof address === "object" && address !== null ? address.port : 0);
}

/** All files, each with the digest of the bytes that come when it is fetched, and all jobs. */
async function everything(where: Parameters<typeof ask>[0]) {
  const read = async (path: string): Promise<unknown> => (await ask(where, path)).json();
  const files = Page(FileResource).parse(await read("/api/v1/files")).data;
  const jobs = Page(JobSummary).parse(await read("/api/v1/jobs")).data;
  return { files: await Promise.all(files.map(async (file) => ({ ...file, received: await digestOf(where, file.id) }))), jobs };
}

async function digestOf(where: Parameters<typeof ask>[0], fileId: string): Promise<string> {
  const answer = await ask(where, `/api/v1/files/${fileId}/content`);
  expect(answer.status).toBe(200);
  return createHash("sha256")
    .update(Buffer.from(await answer.arrayBuffer()))
    .digest("hex");
}

test("it starts, says where and with which key, answers, and Ctrl-C leaves no process within five seconds", async () => {
  const { child, address, output } = await start();
  expect(output()).toContain(join(dataFolder, "admin.key"));
  expect(output()).toContain((await readFile(join(dataFolder, "admin.key"), "utf8")).trim());
  expect((await ask({ dataFolder, address }, LISTED)).status).toBe(200);
  const began = performance.now();
  const exit = once(child, "exit");
  // To the whole process group, as a terminal does.
  process.kill(-(child.pid ?? 0), "SIGINT");
  expect(await exit).toEqual([0, null]);
  expect(performance.now() - began).toBeLessThan(5_000);
  await expect.poll(() => processesOn(dataFolder)).toEqual([]);
});

test("killed with -9 and started again at once on the same port, it takes over the database and the port", async () => {
  const port = String(await freePort());
  const { child, address } = await start({ FILEMILL_PORT: port });
  expect((await ask({ dataFolder, address }, LISTED)).status).toBe(200);
  const postmaster = await postmasterOf(dataFolder);
  await endPlatform(child, "SIGKILL");
  const next = await start({ FILEMILL_PORT: port });
  expect(await postmasterOf(dataFolder)).toBe(postmaster);
  expect(next.output()).not.toContain("fml_live_");
  expect(next.address).toBe(address);
  expect((await ask({ dataFolder, address }, LISTED)).status).toBe(200);
  await expect.poll(async () => (await processesOn(dataFolder)).filter(({ command }) => command.includes("bin/api.ts"))).toHaveLength(1);
});

test("killed with -9 and started again, it has every file and job of before, and ends the job that it was given last", async () => {
  const killed = await start();
  const before = { dataFolder, address: killed.address };
  const content = randomBytes(1_000_000);
  expect((await ask(before, "/api/v1/files/large.bin", { method: "PUT", body: content })).status).toBe(201);
  const done = await submitText(before, { stats: { use: "text.stats" } });
  await expect.poll(() => jobStatus(before, done), { timeout: 60_000 }).toBe("completed");
  const { files, jobs } = await everything(before);
  expect(files.find(({ name }) => name === "large.bin")).toMatchObject({ received: createHash("sha256").update(content).digest("hex") });
  expect(files.map(({ origin }) => origin)).toEqual(expect.arrayContaining(["upload", "output"]));
  expect(jobs).toEqual([expect.objectContaining({ id: done, status: "completed" })]);

  const last = await submitText(before, { stats: { use: "text.stats" } }, "the last words\n");
  await endPlatform(killed.child, "SIGKILL");
  const after = { dataFolder, address: (await start()).address };
  await expect.poll(() => jobStatus(after, last), { timeout: 60_000 }).toBe("completed");
  const found = await everything(after);
  expect(found.files).toEqual(expect.arrayContaining(files));
  expect(found.jobs).toHaveLength(2);
  expect(found.jobs).toEqual(expect.arrayContaining(jobs));
});

test("killed with -9 and not started again, only the database stays", async () => {
  const { child } = await start();
  await endPlatform(child, "SIGKILL");
  const ours = async () => (await processesOn(dataFolder)).filter(({ command }) => command.includes("server/bin/"));
  await expect.poll(ours, { timeout: 10_000 }).toEqual([]);
});

test("a second start says who has the folder and ends with 1", async () => {
  const first = await start();
  const second = await start();
  expect(second.address).toBeUndefined();
  expect(second.child.exitCode).toBe(1);
  expect(second.output()).toContain(`already runs on the data folder ${dataFolder} (process ${first.child.pid}, at ${first.address})`);
});

test("a second signal ends it at once, and nothing is left either", async () => {
  const { child } = await start();
  child.kill("SIGTERM");
  await endPlatform(child, "SIGTERM");
  await expect.poll(() => processesOn(dataFolder), { timeout: 10_000 }).toEqual([]);
});

test("a port that is taken is named, with what to do, and ends the start with 1", async () => {
  const port = await takenPort();
  const { child, output } = await start({ FILEMILL_PORT: port });
  expect(child.exitCode).toBe(1);
  expect(output()).toContain(`Port ${port} of 127.0.0.1 is in use by another program. Stop that, or set FILEMILL_PORT`);
  await expect.poll(() => processesOn(dataFolder)).toEqual([]);
});

test("a metrics port that was asked for and is taken ends the start with 1", async () => {
  const port = await takenPort();
  const { child, output } = await start({ FILEMILL_METRICS_PORT: port });
  expect(child.exitCode).toBe(1);
  expect(output()).toContain(`Port ${port} for the workers' metrics can't be used`);
  await expect.poll(() => processesOn(dataFolder)).toEqual([]);
});

test("a data folder that can't be made is named, with what to do", async () => {
  // Below a file there is no folder, not even for root.
  const impossible = join(parent, "file", "data");
  await writeFile(join(parent, "file"), "");
  const platform = await startPlatform({ dataFolder: impossible });
  expect(platform.child.exitCode).toBe(1);
  expect(platform.output()).toContain(`The data folder ${impossible} can't be made or written to (ENOTDIR`);
  expect(platform.output()).toContain("set FILEMILL_DATA_DIR to a folder of that user");
});

test.for([
  ["while the cluster is made", "initdb"],
  ["while PostgreSQL starts", "cluster/postmaster.pid"],
] as const)("Ctrl-C %s leaves no process within five seconds", async ([when, sign]) => {
  const own = join(parent, `interrupted-${when.length}`);
  await mkdir(own, { mode: 0o711 });
  const { child } = launchPlatform({ dataFolder: own });
  started.push(child);
  const isThere = async () => {
    if (sign === "initdb") return (await processesOn(own)).some(({ command }) => command.includes("initdb"));
    return (await readFile(join(own, "database", sign), "utf8").catch(() => "")) !== "";
  };
  await vi.waitUntil(isThere, { timeout: 60_000, interval: 5 });
  const began = performance.now();
  const exit = once(child, "exit");
  process.kill(-(child.pid ?? 0), "SIGINT");
  await exit;
  expect(performance.now() - began).toBeLessThan(5_000);
  await expect.poll(() => processesOn(own), { timeout: 5_000 }).toEqual([]);
});
