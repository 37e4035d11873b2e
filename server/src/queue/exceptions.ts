import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { TaskError } from "./task.ts";

/** An item that did not simply succeed; every other item's status follows from its task. */
export interface ItemException {
  readonly taskId: string;
  readonly tenantId: string;
  readonly jobId: string;
  readonly stage: number;
  readonly ordinal: number;
  readonly status: "dead" | "skipped";
  readonly error: TaskError;
}

export async function insertExceptions(transaction: Transaction, exceptions: readonly ItemException[]): Promise<void> {
  const column = <T>(pick: (exception: ItemException) => T): T[] => exceptions.map(pick);
  await transaction.execute(sql`
    INSERT INTO item_exceptions (task_id, ordinal, tenant_id, job_id, stage, status, step, code, message)
    SELECT * FROM unnest(
      ${column((row) => row.taskId)}::uuid[], ${column((row) => row.ordinal)}::int[], ${column((row) => row.tenantId)}::uuid[],
      ${column((row) => row.jobId)}::uuid[], ${column((row) => row.stage)}::smallint[], ${column((row) => row.status)}::text[],
      ${column((row) => row.error.step)}::text[], ${column((row) => row.error.code)}::text[], ${column((row) => row.error.message)}::text[])`);
}
