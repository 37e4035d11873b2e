import { afterEach, expect, test } from "vitest";
import { liveProcess } from "./db/embedded/live-process.ts";
import { supervise, type SupervisedChild } from "./supervisor.ts";
import { openLog } from "./telemetry/log.ts";

const started: SupervisedChild[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop(0)));
});

function start(kind: string, pingMs?: number): { child: SupervisedChild; lines: string[] } {
  const lines: string[] = [];
  const log = openLog({ level: "info", process: "test", destination: { write: (line: string) => void lines.push(line) } });
  const child = supervise({
    name: "sample",
    module: new URL("../test/supervisor/child.ts", import.meta.url),
    environment: { ...process.env, CHILD: kind },
    log,
    firstPauseMs: 10,
    ...(pingMs !== undefined && { pingMs }),
  });
  started.push(child);
  return { child, lines };
}

test("a child that is killed is started again, and the log says how it ended", async () => {
  const { child, lines } = start("");
  await child.ready;
  const first = child.pid() ?? 0;
  process.kill(first, "SIGKILL");
  await expect.poll(() => child.pid() ?? first, { timeout: 10_000 }).not.toBe(first);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ child: "sample", how: "SIGKILL" });
});

test("a child that is killed again and again while it serves is started again after eight first pauses at most", async () => {
  const { child, lines } = start("");
  await child.ready;
  for (let kills = 1; kills <= 6; kills++) {
    const pid = child.pid() ?? 0;
    process.kill(pid, "SIGKILL");
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(kills);
    await expect.poll(() => child.pid(), { timeout: 10_000 }).toBeTypeOf("number");
    await expect.poll(() => child.measure({}), { timeout: 10_000 }).not.toBe("");
  }
  expect(lines.map((line) => JSON.parse(line).pauseMs)).toEqual([10, 20, 40, 80, 80, 80]);
});

test("a child that never gets ready is not started again", async () => {
  const { child } = start("fails");
  await expect(child.ready).rejects.toThrow("The sample process ended before it was ready (code 3).");
  expect(child.pid()).toBeUndefined();
});

test("a child whose event loop hangs is killed and started again, and the log says why", async () => {
  const { child, lines } = start("hangs", 100);
  await child.ready;
  const first = child.pid() ?? 0;
  await expect.poll(() => child.pid() ?? first, { timeout: 10_000 }).not.toBe(first);
  const [why, restart] = lines.map((line) => JSON.parse(line));
  expect(why).toMatchObject({ level: "error", child: "sample", pid: first, msg: expect.stringContaining("hangs") });
  expect(restart).toMatchObject({ child: "sample", how: "SIGKILL" });
});

test("a child that answers its pings is left alone", async () => {
  const { child, lines } = start("", 250);
  await child.ready;
  const pid = child.pid();
  await expect.poll(async () => Number((await child.measure({})).split(" ")[1]), { timeout: 10_000 }).toBeGreaterThanOrEqual(6);
  expect(child.pid()).toBe(pid);
  expect(lines).toEqual([]);
});

test("stop ends the child for good", async () => {
  const { child, lines } = start("");
  await child.ready;
  const pid = child.pid() ?? 0;
  await Promise.all([child.stop(10_000), child.stop(10_000)]);
  expect(await liveProcess(pid)).toBeUndefined();
  expect(child.pid()).toBeUndefined();
  expect(lines).toEqual([]);
});

test("a child that ignores SIGTERM is killed when its time is over", async () => {
  const { child } = start("stubborn");
  await child.ready;
  const pid = child.pid() ?? 0;
  await child.stop(100);
  expect(await liveProcess(pid)).toBeUndefined();
});

test("a child that drains goes on until it is done, is not started again, and hurries when it is stopped", async () => {
  const { child, lines } = start("busy");
  await child.ready;
  const pid = child.pid() ?? 0;
  let gone = false;
  const drained = child.drain(60_000).then(() => (gone = true));
  // Answered behind the drain, by its end: the child took the one before the other.
  expect(await child.measure({})).toBe("");
  await drained;
  expect(gone).toBe(true);
  expect(await liveProcess(pid)).toBeUndefined();
  expect(lines).toEqual([]);

  const second = start("busy").child;
  await second.ready;
  const drain = second.drain(60_000);
  expect(second.pid()).toBeTypeOf("number");
  await second.stop(10_000);
  await drain;
  expect(second.pid()).toBeUndefined();
});

test("a drain that takes too long is cut off", async () => {
  const { child } = start("busy");
  await child.ready;
  const pid = child.pid() ?? 0;
  await child.drain(100);
  expect(await liveProcess(pid)).toBeUndefined();
});
