import { afterEach, expect, test } from "vitest";
import { liveProcess } from "../db/embedded/live-process.ts";
import { supervise, type SupervisedChild } from "../supervisor.ts";
import { openLog } from "../telemetry/log.ts";
import { manageWorkers, type WorkerManager } from "./manager.ts";

const managers: WorkerManager[] = [];
afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.stop(0)));
});

function manage(count: number, kinds: (name: string) => string = () => "") {
  const started: SupervisedChild[] = [];
  const lines: string[] = [];
  const log = openLog({ level: "info", process: "test", destination: { write: (line: string) => void lines.push(line) } });
  const start = (name: string) => {
    const environment = { ...process.env, CHILD: kinds(name) };
    const child = supervise({ name, module: new URL("../../test/supervisor/child.ts", import.meta.url), environment, log });
    started.push(child);
    return child;
  };
  const manager = manageWorkers({ count, start, log });
  managers.push(manager);
  const running = () => started.filter((child) => child.pid() !== undefined).map((child) => child.name);
  return { manager, started, running, lines };
}

test("workers are added and let go, the newest first, and numbers are used again", async () => {
  const { manager, started, running } = manage(2);
  await Promise.all(manager.ready);
  expect(manager.resize(4)).toBe(2);
  expect(running()).toEqual(["worker 1", "worker 2", "worker 3", "worker 4"]);
  await Promise.all(started.map((child) => child.ready));
  expect(await manager.measure()).toHaveLength(4);
  expect(manager.resize(1)).toBe(4);
  await expect.poll(running, { timeout: 10_000 }).toEqual(["worker 1"]);
  expect(manager.resize(0)).toBe(1);
  await expect.poll(running, { timeout: 10_000 }).toEqual([]);
  expect(manager.resize(1)).toBe(0);
  expect(started.at(-1)?.name).toBe("worker 1");
});

test("one that is busy keeps its number while it ends what it has begun, and its figures count until then", async () => {
  const { manager, started, running } = manage(1, (name) => (name === "worker 1" ? "busy" : ""));
  await Promise.all(manager.ready);
  manager.resize(0);
  manager.resize(1);
  expect(running()).toEqual(["worker 1", "worker 2"]);
  await started[1]?.ready;
  // The question is what the busy one ends at.
  expect(await manager.measure()).toEqual(["", "pings 0\n"]);
  await expect.poll(running, { timeout: 10_000 }).toEqual(["worker 2"]);
});

test("a further worker that can't start is no longer counted, and the others go on", async () => {
  const { manager, running, lines } = manage(1, (name) => (name === "worker 2" ? "fails" : ""));
  await Promise.all(manager.ready);
  manager.resize(2);
  await expect.poll(() => lines.join(""), { timeout: 10_000 }).toContain("a further worker could not be started");
  expect(running()).toEqual(["worker 1"]);
  expect(manager.resize(1)).toBe(1);
});

test("stopping ends all of them, also those that still drain, and none is started any more", async () => {
  const { manager, started, running } = manage(2, () => "busy");
  await Promise.all(manager.ready);
  const pids = started.map((child) => child.pid() ?? 0);
  manager.resize(1);
  await manager.stop(10_000);
  expect(running()).toEqual([]);
  expect(await Promise.all(pids.map(liveProcess))).toEqual([undefined, undefined]);
  manager.resize(2);
  expect(running()).toEqual([]);
});
