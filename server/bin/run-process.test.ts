import { afterEach, expect, test } from "vitest";
import { UNANSWERED } from "../src/hang-watch.ts";
import { supervise, type SupervisedChild } from "../src/supervisor.ts";
import { openLog } from "../src/telemetry/log.ts";

let child: SupervisedChild | undefined;
afterEach(() => child?.stop(0));

test("a process of ours answers the pings of its parent, and lives on", async () => {
  const lines: string[] = [];
  const own = supervise({
    name: "sample",
    module: new URL("../test/supervisor/own-process.ts", import.meta.url),
    environment: process.env,
    log: openLog({ level: "info", process: "test", destination: { write: (line: string) => void lines.push(line) } }),
    pingMs: 250,
  });
  child = own;
  await own.ready;
  const pid = own.pid();
  const pings = async () => Number((await own.measure({})).split(" ")[1]);
  await expect.poll(pings, { timeout: 10_000 }).toBeGreaterThanOrEqual(2 * UNANSWERED);
  expect(own.pid()).toBe(pid);
  expect(lines).toEqual([]);
});
