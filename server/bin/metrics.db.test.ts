import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { jobStatus, submitText } from "../test/run-job.ts";
import { ask, endPlatform, startPlatform, type StartedPlatform } from "../test/start-platform.ts";

/** Every metric that is served is moved by the work that it measures. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let parent: string;
let platform: StartedPlatform;
const where = () => ({ dataFolder: join(parent, "data"), address: platform.address });
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "filemill-metrics-"));
  await chmod(parent, 0o711);
  platform = await startPlatform({
    dataFolder: join(parent, "data"),
    variables: { FILEMILL_WORKERS: "2", FILEMILL_EXTRA_PROCESSORS: fileURLToPath(new URL("../test/processors/demo.ts", import.meta.url)) },
  });
});
afterAll(async () => {
  await endPlatform(platform.child, "SIGTERM");
  await rm(parent, { recursive: true, force: true });
});

async function workersMetrics(): Promise<string> {
  const url = /Workers' metrics +(\S+)/.exec(platform.output())?.[1];
  return await (await fetch(url ?? "")).text();
}

async function apiMetrics(): Promise<string> {
  return await (await ask(where(), "/metrics")).text();
}

/** The sum over all lines of that name with these labels, whatever others they have. */
function sum(text: string, name: string, labels = ""): number {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.filter((line) => line.includes(labels)).reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
}

test("work moves what is measured of it", async () => {
  const good = await submitText(where(), { stats: { use: "text.stats" } });
  const bad = await submitText(where(), { fails: { use: "demo.fail", with: { class: "bad_input" } } });
  await expect.poll(() => jobStatus(where(), good), { timeout: 60_000 }).toBe("completed");
  await expect.poll(() => jobStatus(where(), bad), { timeout: 60_000 }).toBe("failed");
  const events = await ask(where(), `/api/v1/jobs/${good}/events`, { signal: AbortSignal.timeout(20_000) });
  for await (const chunk of events.body ?? []) if (Buffer.from(chunk).toString().includes("job.completed")) break;

  const workers = await workersMetrics();
  expect(sum(workers, "filemill_tasks_total", 'outcome="succeeded"')).toBe(1);
  expect(sum(workers, "filemill_tasks_total", 'outcome="failed"')).toBe(1);
  expect(sum(workers, "filemill_failures_total", 'class="bad_input"')).toBe(1);
  expect(sum(workers, "filemill_task_seconds_count")).toBe(2);
  expect(sum(workers, "filemill_pickup_seconds_count")).toBe(2);
  expect(sum(workers, "filemill_complete_seconds_count")).toBeGreaterThanOrEqual(1);
  expect(sum(workers, "filemill_claim_seconds_count")).toBeGreaterThanOrEqual(2);
  expect(sum(workers, "filemill_hosts", 'state="idle"')).toBeGreaterThanOrEqual(1);
  for (const worker of ["1", "2"]) expect(sum(workers, "filemill_process_cpu_seconds_total", `worker="${worker}"`)).toBeGreaterThan(0);

  const api = await apiMetrics();
  expect(sum(api, "filemill_upload_bytes_total")).toBe(2 * "one two three\n".length);
  expect(sum(api, "filemill_events_total")).toBeGreaterThan(0);
  expect(sum(api, "filemill_http_request_seconds_count", 'status="202"')).toBe(2);
});

test("work under way shows in its lane and on a busy host; cancelled, its lease is lost", async () => {
  const job = await submitText(where(), { waits: { use: "demo.sleep", with: { ms: 600_000 } } });
  await expect.poll(async () => sum(await apiMetrics(), "filemill_lane_running", 'lane="default"'), { timeout: 20_000 }).toBe(1);
  await expect.poll(async () => sum(await workersMetrics(), "filemill_hosts", 'state="busy"'), { timeout: 20_000 }).toBe(1);
  expect((await ask(where(), `/api/v1/jobs/${job}/cancel`, { method: "POST" })).status).toBeLessThan(300);
  await expect.poll(async () => sum(await workersMetrics(), "filemill_leases_lost_total", 'reason="taken"'), { timeout: 20_000 }).toBe(1);
  await expect.poll(async () => sum(await workersMetrics(), "filemill_tasks_total", 'outcome="not_ours"')).toBe(1);
  await expect.poll(async () => sum(await apiMetrics(), "filemill_lane_running", 'lane="default"'), { timeout: 20_000 }).toBe(0);
});
