import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FAN_OUT, mapThenGather, mapThenTree, ONE_MAP } from "../../../test/engine/plans.ts";
import type { StageCounters } from "../job-counts.ts";
import { progressOf } from "../job-progress.ts";
import { MOST_AHEAD } from "./ahead.ts";
import { isCollecting, withSource } from "./plan-source.ts";

const URLS = { kind: "urls" as const, urls: ["https://example.org/"] };

describe("a plan behind a source", () => {
  test.each([
    ["a map", ONE_MAP, [[], [0], [1]]],
    ["a map and a tree", mapThenTree(5), [[], [0], [1], [2]]],
    ["a map and a gather", mapThenGather(), [[], [0], [1], [2]]],
  ])("%s: lists, collects, and goes on as it was", (_what, plan, feeders) => {
    const behind = withSource(plan, { ...URLS, lane: "inbox", on_error: "skip" });
    expect(behind.stages.map((stage) => stage.no)).toEqual(behind.stages.map((_stage, index) => index));
    expect(behind.stages.map((stage) => stage.feeders)).toEqual(feeders);
    expect(behind.stages.slice(0, 2)).toMatchObject([
      { kind: "source", lane: "inbox", steps: [] },
      { kind: "map", lane: "inbox", steps: [{ name: "", feeds: [2], onError: "skip", emits: "one" }] },
    ]);
    expect(behind.stages.filter(isCollecting).map((stage) => stage.no)).toEqual([1]);
    expect(behind.stages.every((stage) => !stage.takesInputs && !stage.countKnown)).toBe(true);
    for (const stage of behind.stages) {
      for (const step of stage.steps) for (const target of step.feeds) expect(behind.stages[target]?.feeders).toContain(stage.no);
    }
  });

  test("knows which stages have one item for each object", () => {
    expect(withSource(mapThenTree(5), URLS).stages.map((stage) => stage.perInput ?? false)).toEqual([false, true, true, false]);
    expect(
      withSource(FAN_OUT, URLS)
        .stages.map((stage) => stage.perInput ?? false)
        .slice(0, 4),
    ).toEqual([false, true, true, false]);
  });
});

/** Three stages behind a source, as the engine counts them; `dead` items go no further. */
function counters(state: { listed: number; collected: number; done: number; dead: number; open: boolean }): StageCounters[] {
  const { listed, collected, done, dead, open } = state;
  const none = {
    itemsIn: 0,
    succeeded: 0,
    skipped: 0,
    dead: 0,
    moved: 0,
    inTasks: 0,
    deadTasks: 0,
    leaves: null,
    fanIn: null,
    perInput: null,
  };
  const source = {
    ...none,
    stage: 0,
    kind: "source" as const,
    status: open ? ("open" as const) : ("closed" as const),
    openFeeders: 0,
    feeders: [],
  };
  const collecting = { ...none, stage: 1, kind: "map" as const, feeders: [0], itemsIn: listed, moved: collected, dead, perInput: true };
  const map = { ...none, stage: 2, kind: "map" as const, feeders: [1], itemsIn: collected, succeeded: done, perInput: true };
  const isCollected = !open && collected + dead === listed;
  return [
    source,
    { ...collecting, status: isCollected ? "closed" : "open", openFeeders: open ? 1 : 0 },
    { ...map, status: isCollected && done === collected ? "closed" : "open", openFeeders: isCollected ? 0 : 1 },
  ];
}

test("progress never goes back while a source is listed, collected and processed in any order, nor is it 100 before the end", () => {
  const move = fc.record({
    what: fc.constantFrom("list", "collect", "lose", "do", "end"),
    share: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
  });
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 60 }), (moves) => {
      const state = { listed: 0, collected: 0, done: 0, dead: 0, open: true };
      let before = 0;
      for (const { what, share } of moves) {
        const ahead = state.listed - state.dead - state.done;
        const part = (most: number) => Math.floor(share * Math.max(0, most));
        if (what === "list" && state.open) state.listed += Math.min(part(1_001), Math.max(0, MOST_AHEAD - ahead));
        if (what === "collect") state.collected += part(state.listed - state.collected - state.dead);
        if (what === "lose") state.dead += part((state.listed - state.collected - state.dead) / 10);
        if (what === "do") state.done += part(state.collected - state.done);
        if (what === "end" && share > 0.8) state.open = false;
        const progress = progressOf("running", counters(state), new Map());
        expect(progress).toBeGreaterThanOrEqual(before);
        expect(progress).toBeLessThan(100);
        before = progress;
      }
    }),
    { numRuns: 1_000 },
  );
});
