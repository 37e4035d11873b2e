import { describe, expect, test } from "vitest";
import { readCron } from "./cron.ts";
import { dueRun, MOST_MADE_UP } from "./due-runs.ts";

const hourly = readCron({ cron: "0 * * * *", timeZone: "UTC" });
const at = (text: string) => new Date(`2026-03-01T${text}Z`);
const run = (missed: "skip" | "run_once" | "run_all", owed: string, now: string, times = hourly) => {
  const { due, next } = dueRun({ times, owed: at(owed), now: at(now), missed });
  return [due?.toISOString().slice(11, 19), next?.toISOString().slice(11, 19)];
};

describe("a schedule that is on time", () => {
  test.each(["skip", "run_once", "run_all"] as const)("runs once and waits for the next due time (%s)", (missed) => {
    expect(run(missed, "10:00:00", "10:00:00.4")).toEqual(["10:00:00", "11:00:00"]);
    expect(run(missed, "10:00:00", "10:00:59")).toEqual(["10:00:00", "11:00:00"]);
  });
});

describe("a schedule that missed three due times", () => {
  test("skips them all", () => {
    expect(run("skip", "08:00:00", "10:30:00")).toEqual([undefined, "11:00:00"]);
  });

  test("skips those before one that is just due", () => {
    expect(run("skip", "08:00:00", "10:00:01")).toEqual(["10:00:00", "11:00:00"]);
  });

  test("runs once for all of them", () => {
    expect(run("run_once", "08:00:00", "10:30:00")).toEqual(["10:00:00", "11:00:00"]);
  });

  test("runs for each, the oldest first", () => {
    expect(run("run_all", "08:00:00", "10:30:00")).toEqual(["08:00:00", "09:00:00"]);
    expect(run("run_all", "09:00:00", "10:30:00")).toEqual(["09:00:00", "10:00:00"]);
    expect(run("run_all", "10:00:00", "10:30:00")).toEqual(["10:00:00", "11:00:00"]);
  });
});

test("whoever makes up for every due time makes up for a hundred at most, the last ones", () => {
  const everySecond = readCron({ cron: "* * * * * *", timeZone: "UTC" });
  const now = at("10:00:00");
  let runs = 0;
  let owed: Date | undefined = new Date(now.getTime() - 86_400_000 * 30);
  while (owed && owed <= now) {
    const { due, next } = dueRun({ times: everySecond, owed, now, missed: "run_all" });
    if (due) runs += 1;
    owed = next;
  }
  expect(runs).toBe(MOST_MADE_UP);
});
