import type { ProblemCode } from "@filemill/contract/errors.ts";
import type { Metadata } from "@filemill/contract/files.ts";
import type { UploadStatus } from "@filemill/contract/uploads.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { notFound, Problem } from "../../errors.ts";
import type { PipelineRequest } from "../../jobs/pipelines/resolve.ts";

export interface JobProblem {
  readonly code: ProblemCode;
  readonly detail: string;
}

/** A row of `uploads`, with what only the database's clock can say. */
export interface UploadRow {
  readonly id: string;
  readonly tenantId: string;
  readonly fileId: string;
  readonly kind: "single" | "partial" | "final";
  readonly status: UploadStatus;
  readonly actor: string;
  readonly name: string;
  readonly metadata: Metadata;
  readonly pipeline: PipelineRequest | null;
  /** Of the file that it becomes. */
  readonly fileExpiresAt: Date | null;
  /** Why the file has no job although one was asked for. */
  readonly jobProblem: JobProblem | null;
  readonly sentMetadata: string | null;
  readonly sentConcat: string | null;
  readonly length: number | null;
  /** Bytes that are durable and recorded. */
  readonly offset: number;
  readonly segments: number;
  readonly hashState: Buffer | null;
  readonly hashedBytes: number;
  readonly jobId: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** Open, but its time is over; the next round of garbage collection ends it. */
  readonly overdue: boolean;
  readonly lockEpoch: number;
  /** A request holds it, and its lease has not ended. */
  readonly locked: boolean;
}

export const UPLOAD_COLUMNS = sql`id, tenant_id AS "tenantId", file_id AS "fileId", kind, status, actor, name, metadata, pipeline,
  file_expires_at AS "fileExpiresAt", job_problem AS "jobProblem", sent_metadata AS "sentMetadata", sent_concat AS "sentConcat", length, upload_offset AS "offset", segments, hash_state AS "hashState",
  hashed_bytes AS "hashedBytes", job_id AS "jobId", created_at AS "createdAt", expires_at AS "expiresAt", lock_epoch AS "lockEpoch",
  (status = 'open' OR status = 'completed' AND kind = 'partial') AND expires_at <= now() AS overdue,
  lock_holder IS NOT NULL AND lock_until > now() AS locked`;

/** Undefined where the tenant has none such. */
export async function findUpload(transaction: Transaction, id: string): Promise<UploadRow | undefined> {
  const [row] = await transaction.query<UploadRow>(sql`SELECT ${UPLOAD_COLUMNS} FROM uploads WHERE id = ${id}::uuid`);
  return row;
}

/**
 * Throws Problem `not_found`, or `gone` for one that was terminated, joined or has expired: "The latter one SHOULD be used if
 * the Server is keeping track of expired uploads."
 */
export function assertThere(upload: UploadRow | undefined, id: string): asserts upload is UploadRow {
  if (upload === undefined) throw notFound("upload", encodeId("upload", id));
  const { status, overdue } = upload;
  if (status === "open" && !overdue) return;
  if (status === "completed" && !overdue) return;
  const why = { terminated: "was terminated", joined: "was made part of a final upload" }[String(status)] ?? "has expired";
  throw new Problem("gone", `The upload "${encodeId("upload", id)}" ${why}; begin a new one.`);
}
