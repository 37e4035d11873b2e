import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Lineage of one file that a step made. */
export interface OutputRow {
  readonly jobId: string;
  /** The item's ordinal; for a reduction tree the node, for a gather 0. */
  readonly ordinal: number;
  readonly step: string;
  /** Which of the step's files for this item; for a reduction tree the level. */
  readonly part: number;
  readonly tenantId: string;
  readonly taskId: string;
  readonly epoch: number;
  readonly fileId: string;
  readonly processor: string;
  readonly processorVersion: string;
  /** The pipeline names the step as an output; false for files that only cross a stage boundary. */
  readonly kept: boolean;
  readonly inputs: readonly string[];
  /** The file whose content was used again instead of running the step; its own input where that was handed on. */
  readonly reusedFrom: string | null;
}

/**
 * A file that only crossed a stage boundary becomes an output where a later stage handed it on as one: listed, served, and
 * kept when the job is deleted.
 */
export async function keepHandedOn(transaction: Transaction, fileIds: readonly string[]): Promise<void> {
  if (fileIds.length === 0) return;
  await transaction.execute(sql`UPDATE files SET origin = 'output' WHERE id = ANY(${fileIds}::uuid[]) AND origin = 'intermediate'`);
}

/** Makes outputs visible; in the fenced transaction that ends their task, after the rows of their files. */
export async function recordOutputs(transaction: Transaction, rows: readonly OutputRow[]): Promise<void> {
  if (rows.length === 0) return;
  const column = <T>(pick: (row: OutputRow) => T): T[] => rows.map(pick);
  await transaction.execute(sql`
    INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs, reused_from)
    SELECT job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs::uuid[], reused_from
    FROM unnest(
      ${column((row) => row.jobId)}::uuid[], ${column((row) => row.ordinal)}::int[], ${column((row) => row.step)}::text[],
      ${column((row) => row.part)}::int[], ${column((row) => row.tenantId)}::uuid[], ${column((row) => row.taskId)}::uuid[],
      ${column((row) => row.epoch)}::int[], ${column((row) => row.fileId)}::uuid[], ${column((row) => row.processor)}::text[],
      ${column((row) => row.processorVersion)}::text[], ${column((row) => row.kept)}::boolean[],
      ${column((row) => `{${row.inputs.join(",")}}`)}::text[], ${column((row) => row.reusedFrom)}::uuid[]
    ) AS given(job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs, reused_from)`);
}
