import type { OutputFile } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";

/** A kept output of a job: the file, and which step made it for which item. */
export interface OutputRow {
  readonly ordinal: number;
  readonly step: string;
  readonly part: number;
  readonly fileId: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mediaType: string;
  /** The result of an earlier run was used again. */
  readonly cached: boolean;
}

const COLUMNS = sql`
  o.ordinal, o.step, o.part, f.id AS "fileId", f.name, f.size_bytes AS "sizeBytes", encode(f.sha256, 'hex') AS sha256, f.media_type AS "mediaType",
  o.reused_from IS NOT NULL AS cached`;

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
    SELECT ${COLUMNS}
    FROM outputs o JOIN files f ON f.id = o.file_id AND f.status = 'stored' CROSS JOIN steps
    WHERE o.job_id = ${wanted.jobId} AND o.kept AND ${wanted.where}
    ORDER BY o.ordinal, array_position(steps.names, o.step), o.part LIMIT ${wanted.limit}`);
}

const PAGE = 200;

/**
 * All of a job's kept outputs, page by page, each page in a transaction of its own so that none is open for as long as a
 * download takes. By item, then step name, then as emitted.
 */
export async function* pageOutputs(
  database: Database,
  job: { readonly tenantId: string; readonly jobId: string },
): AsyncGenerator<OutputRow[]> {
  let after: Pick<OutputRow, "ordinal" | "step" | "part"> | undefined;
  for (;;) {
    const from = after;
    const where = from ? sql`(o.ordinal, o.step, o.part) > (${from.ordinal}, ${from.step}, ${from.part})` : sql`TRUE`;
    const rows = await database.asTenant(job.tenantId, (transaction) =>
      transaction.query<OutputRow>(sql`
        SELECT ${COLUMNS} FROM outputs o JOIN files f ON f.id = o.file_id AND f.status = 'stored'
        WHERE o.job_id = ${job.jobId} AND o.kept AND ${where} ORDER BY o.ordinal, o.step, o.part LIMIT ${PAGE}`),
    );
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    after = rows.at(-1);
  }
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
    cached: row.cached,
  };
}
