import type { StageResource } from "@filemill/contract/jobs.ts";
import { expect, test } from "vitest";
import { averageJob, treeSize, type PlatformJob } from "./average-job.ts";

const COUNTS = { total: 6, waiting: 0, running: 0, succeeded: 0, skipped: 0, dead: 0, cancelled: 0 };

function job(given: Partial<PlatformJob> & { files?: number; sums?: number }): PlatformJob {
  const { files = 0, sums = 0, ...rest } = given;
  const stages: StageResource[] = [
    { kind: "map", steps: ["files"], status: "open", done: files, total: 6 },
    { kind: "tree", steps: ["mean"], status: "open", done: sums, total: 3 },
  ];
  return {
    id: "job_1",
    status: "running",
    progress: 12.5,
    counts: COUNTS,
    stages,
    started_at: "2026-01-01T00:00:01.000Z",
    finished_at: null,
    metadata: { app: "averages", noOfFiles: "6", noOfEntriesPerFile: "4", items: 6 },
    ...rest,
  };
}

test("a job has exactly the members that its clients know", () => {
  expect(averageJob(job({}))).toEqual({
    _id: "job_1",
    noOfFiles: 6,
    noOfEntriesPerFile: 4,
    progress: 12.5,
    totalTasks: 3,
    status: "Generating Files",
    outputFilePath: null,
    processingStartTime: "2026-01-01T00:00:01.000Z",
    processingCompleteTime: null,
  });
});

test.each([
  [{ status: "queued" }, "Generating Files"],
  [{ files: 5, sums: 1 }, "Generating Files"],
  [{ files: 6, sums: 1 }, "Processing"],
  [{ files: 6, sums: 2 }, "Aggregating"],
  [{ status: "completed", files: 6, sums: 3 }, "Completed"],
  [{ status: "failed" }, "Failed"],
  [{ status: "cancelled" }, "Failed"],
] as const)("%j is %s", (given, status) => {
  expect(averageJob(job(given))?.status).toBe(status);
});

test("jobs of others are none of this app's", () => {
  expect(averageJob(job({ metadata: {} }))).toBeUndefined();
  expect(averageJob(job({ metadata: { app: "averages", noOfFiles: "many" } }))).toBeUndefined();
});

test("a tree of five at a time: 1,000 files make 251 tasks", () => {
  expect([1, 5, 6, 25, 26, 1_000, 100_000].map(treeSize)).toEqual([1, 1, 3, 6, 9, 251, 25_002]);
});
