import type { OutputFile } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";

/** A kept output of a job: the file, and which step made it for which item. */
export interface OutputRow {
  readonly ordinal: number;
  readonly step: string;
  readonly fileId: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mediaType: string;
}

/**
 * Outputs that the pipeline names and that are still stored, in the order of their items, then of the steps in the plan,
 * then as emitted; at most `limit`. `where` is a condition over `outputs o`.
 */
export async function readOutputs(
  transaction: Transaction,
  wanted: { readonly jobId: string; readonly where: Statement; readonly limit: number },
): Promise<OutputRow[]> {
  return await transaction.query<OutputRow>(sql`
    WITH steps AS (
      SELECT array_agg(step->>'name' ORDER BY stage_no, step_no) AS names
      FROM job_specs, jsonb_array_elements(plan->'stages') WITH ORDINALITY AS stages(stage, stage_no),
        jsonb_array_elements(stage->'steps') WITH ORDINALITY AS steps(step, step_no)
      WHERE job_id = ${wanted.jobId}
    )
    SELECT o.ordinal, o.step, f.id AS "fileId", f.name, f.size_bytes AS "sizeBytes", encode(f.sha256, 'hex') AS sha256, f.media_type AS "mediaType"
    FROM outputs o JOIN files f ON f.id = o.file_id AND f.status = 'stored' CROSS JOIN steps
    WHERE o.job_id = ${wanted.jobId} AND o.kept AND ${wanted.where}
    ORDER BY o.ordinal, array_position(steps.names, o.step), o.part LIMIT ${wanted.limit}`);
}

export function outputFile(row: OutputRow): OutputFile {
  const id = encodeId("file", row.fileId);
  return {
    id,
    name: row.name,
    size: row.sizeBytes,
    sha256: row.sha256,
    media_type: row.mediaType,
    url: `/api/v1/files/${id}/content`,
    step: row.step,
  };
}
