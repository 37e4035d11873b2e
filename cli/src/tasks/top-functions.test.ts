import { Session } from "node:inspector/promises";
import { expect, test } from "vitest";
import type { CpuProfile } from "./cpu-profile.ts";
import { parseProfile } from "./cpu-profile.ts";
import { topFunctions } from "./top-functions.ts";

const node = (id: number, functionName: string, children: number[] = [], lineNumber = 9) => ({
  id,
  callFrame: { functionName, url: functionName.startsWith("(") ? "" : "server/src/work.ts", lineNumber },
  children,
});

/** work → twice → twice → leaf; 1 ms a sample. */
const PROFILE: CpuProfile = {
  nodes: [
    node(1, "(root)", [2, 6, 7]),
    node(2, "work", [3]),
    node(3, "twice", [4]),
    node(4, "twice", [5]),
    node(5, "leaf"),
    node(6, "(idle)"),
    node(7, "(program)"),
  ],
  startTime: 0,
  endTime: 10_000,
  samples: [2, 3, 4, 5, 5, 5, 6, 6, 7],
  timeDeltas: [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000],
};

test("self time is where the samples were, total time with what was called, once for a function that calls itself", () => {
  expect(topFunctions([PROFILE])).toEqual([
    { name: "leaf", place: "server/src/work.ts:10", selfMs: 3, totalMs: 3, share: 3 / 7 },
    { name: "twice", place: "server/src/work.ts:10", selfMs: 2, totalMs: 5, share: 2 / 7 },
    { name: "work", place: "server/src/work.ts:10", selfMs: 1, totalMs: 6, share: 1 / 7 },
    { name: "(program)", place: "", selfMs: 1, totalMs: 1, share: 1 / 7 },
  ]);
});

test("several profiles are one table", () => {
  const [first] = topFunctions([PROFILE, PROFILE, PROFILE]);
  expect(first).toMatchObject({ name: "leaf", selfMs: 9, share: 3 / 7 });
  expect(topFunctions([])).toEqual([]);
});

test("what V8 itself records is read", async () => {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  spin(performance.now() + 60);
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  const rows = topFunctions([parseProfile(JSON.stringify(profile), "spin")]);
  const spun = rows.find(({ name }) => name === "spin");
  expect(spun?.totalMs).toBeGreaterThan(20);
  expect(spun?.place).toContain("top-functions.test.ts");
});

test.each(["", "{}", "[]", '{"nodes":1}'])("%j is no profile", (text) => {
  expect(() => parseProfile(text, "x.cpuprofile")).toThrow("x.cpuprofile is no CPU profile");
});

function spin(until: number): number {
  let sum = 0;
  while (performance.now() < until) for (let round = 0; round < 10_000; round++) sum += Math.sqrt(round);
  return sum;
}
