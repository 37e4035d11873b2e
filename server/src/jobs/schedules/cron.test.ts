import { describe, expect, test } from "vitest";
import { Problem } from "../../errors.ts";
import { readCron } from "./cron.ts";

const next = (cron: string, timeZone: string, from: string, count: number) =>
  readCron({ cron, timeZone })
    .next(new Date(from), count)
    .map((time) => time.toISOString().slice(0, 16));

describe("in the night in which clocks go forward from 02:00 to 03:00", () => {
  test("a fixed time that does not exist is the first one that does, once", () => {
    expect(next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2)).toEqual(["2026-03-29T01:00", "2026-03-30T00:30"]);
  });

  test("intervals leave out what does not exist and go on without a gap", () => {
    expect(next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3)).toEqual([
      "2026-03-29T00:30",
      "2026-03-29T01:00",
      "2026-03-29T01:30",
    ]);
  });
});

describe("in the night in which clocks go back from 03:00 to 02:00", () => {
  test("a fixed time that exists twice is taken once, the first time", () => {
    expect(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T00:30", "2026-10-26T01:30"]);
  });

  test("intervals take both", () => {
    expect(next("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", 4)).toEqual([
      "2026-10-25T00:30",
      "2026-10-25T01:00",
      "2026-10-25T01:30",
      "2026-10-25T02:00",
    ]);
  });
});

test("due times up to a moment include that very moment, and no later second", () => {
  const times = readCron({ cron: "*/10 * * * * *", timeZone: "UTC" });
  const seconds = (text: string) => times.upTo(new Date(text), 2).map((time) => time.toISOString().slice(17, 19));
  expect(seconds("2026-01-01T00:00:20.000Z")).toEqual(["10", "20"]);
  expect(seconds("2026-01-01T00:00:20.999Z")).toEqual(["10", "20"]);
  expect(seconds("2026-01-01T00:00:19.999Z")).toEqual(["00", "10"]);
});

test.each(["0 3 * * *", "0 0 3 * * *", "0 3 * * MON-FRI", "0 3 L * *", "0 3 * * FRI#2", "@daily", "  5 4 * * *  ", "1-5,9 * * * *"])(
  "%s is taken",
  (cron) => {
    expect(readCron({ cron, timeZone: "UTC" }).next(new Date("2026-01-01T00:00:00Z"), 1)).toHaveLength(1);
  },
);

test.each([
  ["", "/cron"],
  ["* * * *", "/cron"],
  ["* * * * * * *", "/cron"],
  ["60 * * * *", "/cron"],
  ["@reboot", "/cron"],
  ["2026-01-01T00:00:00", "/cron"],
  ["0 0 30 2 *", "/cron"],
  ["* * * * *; rm -rf /", "/cron"],
])("%j is refused at %s", (cron, pointer) => {
  expect(issuesOf(() => readCron({ cron, timeZone: "UTC" }))).toEqual([pointer]);
});

test.each(["", "Mars/Olympus", "+02:00", "Europe/Berlin\u0000", "../etc/passwd", "utc0"])("the time zone %j is refused", (timeZone) => {
  expect(issuesOf(() => readCron({ cron: "0 3 * * *", timeZone }))).toEqual(["/time_zone"]);
});

function issuesOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return (error.issues ?? []).map(({ pointer }) => pointer);
    throw error;
  }
  return [];
}
