import { z } from "zod";
import { FileStatus } from "./status.ts";
import { refuseUnstorable } from "./text.ts";

/** Flat map of strings that users attach to files and jobs; at most 4 KiB as JSON. */
export const Metadata = z
  .record(z.string().min(1).max(128), z.string().max(2_048))
  .refine((value) => JSON.stringify(value).length <= 4_096, "metadata must not exceed 4 KiB as JSON")
  .superRefine(refuseUnstorable);

export const FileSummary = z.object({
  id: z.string(),
  name: z.string(),
  size: z.int().describe("bytes"),
  sha256: z.string().describe("hex"),
  media_type: z.string().describe("from the content, not from the name"),
});

export const FileResource = FileSummary.extend({
  status: FileStatus,
  metadata: Metadata,
  created_at: z.string(),
  /** Where the file came from: sent by a client, or made by a step of a job. */
  origin: z.enum(["upload", "output"]),
  job_id: z.string().nullable(),
  step: z.string().nullable(),
});

export const UploadAnswer = z.object({ files: z.array(FileSummary) });

export const Page = <T extends z.ZodType>(row: T) => z.object({ data: z.array(row), next_cursor: z.string().nullable() });

export type Metadata = z.infer<typeof Metadata>;
export type FileSummary = z.infer<typeof FileSummary>;
export type FileResource = z.infer<typeof FileResource>;
export type UploadAnswer = z.infer<typeof UploadAnswer>;
export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}
