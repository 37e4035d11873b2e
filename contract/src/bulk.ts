import { z } from "zod";
import { FileSummary } from "./files.ts";
import { JobAccepted } from "./jobs.ts";

/** What is in an archive and is no regular file. Folders are not told: their files carry them in their names. */
export const SkippedEntry = z.object({
  name: z.string(),
  reason: z.enum(["symbolic_link", "hard_link", "device", "fifo", "sparse_file", "unknown"]),
});

/** 201 of POST /files/bulk. Its size does not depend on the archive's: GET /files/bulk/{bulk_id} lists everything. */
export const BulkAnswer = z.object({
  bulk_id: z.string(),
  stored: z.object({ files: z.int(), size: z.int().describe("bytes, unpacked") }),
  skipped: z.object({ entries: z.int(), first: z.array(SkippedEntry).describe("at most 100") }),
  files: z.array(FileSummary).describe("the first 100, in the order of the archive"),
});

/** 202, with a pipeline. */
export const BulkJobAccepted = JobAccepted.extend(BulkAnswer.shape);

export type SkippedEntry = z.infer<typeof SkippedEntry>;
export type BulkAnswer = z.infer<typeof BulkAnswer>;
export type BulkJobAccepted = z.infer<typeof BulkJobAccepted>;
