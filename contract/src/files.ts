import { z } from "zod";
import { FileStatus } from "./status.ts";
import { STORAGE_CLASSES } from "./storage-class.ts";
import { refuseUnstorable } from "./text.ts";
import { Timestamp } from "./timestamp.ts";
import { Duration } from "./units.ts";

/** Flat map of strings that users attach to files and jobs; at most 4 KiB as JSON. */
export const Metadata = z
  .record(z.string().min(1).max(128), z.string().max(2_048))
  .refine((value) => JSON.stringify(value).length <= 4_096, "metadata must not exceed 4 KiB as JSON")
  .superRefine(refuseUnstorable);

/** When a file is to end by itself. */
export const ExpiresAt = Timestamp.refine((text) => Date.parse(text) > Date.now(), "must be a time to come");

export const FilePatch = z.strictObject({ expires_at: ExpiresAt.nullable().describe("null: it does not end by itself") });

export const HoldRequest = z.strictObject({
  reason: z.string().trim().min(1).max(1_000).superRefine(refuseUnstorable).describe("what it is held for, for the record"),
});

/** How long a tenant's files are kept that say nothing themselves. */
export const Retention = z.strictObject({ default: Duration.nullable().describe("such as 30d; null: until somebody deletes them") });

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
  expires_at: z.string().nullable().describe("when the file ends by itself; null: never"),
  hold: z
    .object({ since: z.string(), reason: z.string() })
    .nullable()
    .describe("while it is set, the file can't be deleted and does not expire"),
  storage_class: z.enum(STORAGE_CLASSES),
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
export type Retention = z.infer<typeof Retention>;
