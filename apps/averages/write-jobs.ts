import type { JobSummary } from "@filemill/contract/jobs.ts";
import { averageJob, hasAllFiles, type AverageJob } from "./average-job.ts";

/** Paths in one piece of text. */
const PIECE = 1_000;

/** What a client says it does not need: a list with all paths may be very long. */
export type Paths = "all" | "none";

/** JSON of one job, piece by piece: 100,000 paths are 4 MB. Empty for a job that this app has not made. */
export function* writeJob(job: JobSummary, paths: Paths = "all"): Generator<string> {
  const found = averageJob(job);
  if (found === undefined) return;
  yield `${JSON.stringify(found).slice(0, -1)},"filePaths":[`;
  if (paths === "all" && hasAllFiles(job, found.noOfFiles)) yield* writePaths(found);
  yield "]}";
}

/** JSON of a list of jobs, which are read while it is sent. */
export async function* writeJobs(jobs: AsyncIterable<JobSummary>, paths: Paths): AsyncGenerator<string> {
  let before = "[";
  for await (const job of jobs) {
    for (const piece of writeJob(job, paths)) {
      yield before + piece;
      before = "";
    }
    before ||= ",";
  }
  yield before === "[" ? "[]" : "]";
}

/** Of the file that the n-th input, from 0, was made to. GET gives it. */
export function filePath(jobId: string, ordinal: number): string {
  return `/files/${jobId}/numbers-${ordinal}.txt`;
}

function* writePaths({ _id, noOfFiles }: AverageJob): Generator<string> {
  for (let start = 0; start < noOfFiles; start += PIECE) {
    const paths = Array.from({ length: Math.min(PIECE, noOfFiles - start) }, (_unused, index) => filePath(_id, start + index));
    yield (start === 0 ? "" : ",") + JSON.stringify(paths).slice(1, -1);
  }
}
