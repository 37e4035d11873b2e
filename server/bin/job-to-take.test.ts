import { describe, expect, test } from "vitest";
import { encodeId } from "@filemill/contract/ids.ts";
import { jobToTake, UsageError } from "./job-to-take.ts";

const UUID = "01a202a0-4757-71a5-9b09-c5d1ab4d75b8";
const JOB = encodeId("job", UUID);
const OTHER = encodeId("job", "01a202a0-4757-71a5-9b09-c5d1ab4d75b9");
const TOKEN = "6a2c7d1e-9f43-4f5b-8f1c-0d3f5a1b2c3d";

const fromFile = (text: string) => jobToTake([], { JOB_ID_FILE: "/run/job" }, () => text);

test("without a word it is the next job", () => {
  expect(jobToTake([], {})).toEqual({ type: "next" });
  expect(jobToTake([""], { JOB_ID: "", JOB_ID_FILE: " " })).toEqual({ type: "next" });
});

test("the argument goes before the variable, and that before the file", () => {
  expect(jobToTake([JOB], { JOB_ID: OTHER, JOB_ID_FILE: "/absent" })).toEqual({ type: "job", jobId: UUID });
  expect(jobToTake([], { JOB_ID: ` ${JOB}\n`, JOB_ID_FILE: "/absent" })).toEqual({ type: "job", jobId: UUID });
});

describe("a file", () => {
  test("of `filemill claim` is a reservation", () => {
    expect(fromFile(JSON.stringify({ job_id: JOB, token: TOKEN }))).toEqual({
      type: "reserved",
      reservation: { jobId: UUID, token: TOKEN },
    });
  });
  test("with an id alone names the job", () => {
    expect(fromFile(`${JOB}\n`)).toEqual({ type: "job", jobId: UUID });
    expect(fromFile(JSON.stringify({ job_id: JOB }))).toEqual({ type: "job", jobId: UUID });
  });
  test.each([
    ["empty", ""],
    ["other JSON", "[1]"],
    ["no id", "hello"],
    ["a token that is none", JSON.stringify({ job_id: JOB, token: "x" })],
  ])("that is %s is wrong usage", (_what, text) => {
    expect(() => fromFile(text)).toThrow(UsageError);
  });
  test("that is not there is wrong usage", () => {
    expect(() => jobToTake([], { JOB_ID_FILE: "/absent/file" })).toThrow(/filemill claim/);
  });
});

test.each([
  ["two jobs", [JOB, OTHER]],
  ["what is no id", ["job_1"]],
  ["the id of a file", [encodeId("file", UUID)]],
])("%s is wrong usage", (_what, words) => {
  expect(() => jobToTake(words, {})).toThrow(UsageError);
});
