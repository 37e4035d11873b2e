import { z } from "zod";
import { Metadata } from "./files.ts";

export const UploadStatus = z.enum(["open", "completed", "joined", "terminated", "expired"]);

/** A resumable upload, as GET /uploads/{id} shows it beside the headers of its HEAD. */
export const UploadResource = z.object({
  id: z.string(),
  kind: z.enum(["single", "partial", "final"]),
  status: UploadStatus,
  name: z.string(),
  metadata: Metadata,
  length: z.int().nullable().describe("bytes of the whole; null as long as it is deferred"),
  offset: z.int().describe("bytes that are durable"),
  created_at: z.string(),
  expires_at: z.string().nullable().describe("null once it is complete"),
  file_id: z.string().nullable().describe("the file that it became"),
  job_id: z.string().nullable(),
  job_problem: z
    .object({ code: z.string(), detail: z.string() })
    .nullable()
    .describe("why the file has no job although one was asked for: its pipeline was deleted meanwhile, for one"),
});

export type UploadStatus = z.infer<typeof UploadStatus>;
export type UploadResource = z.infer<typeof UploadResource>;
