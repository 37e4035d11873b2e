import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { Entry } from "../../queue/task.ts";
import type { StagePlan } from "../plan.ts";
import type { JobAdvance } from "./deliveries.ts";

/** Keeps what has arrived for stages that start only when all their feeders have ended; one row a stage and call. */
export async function keepArrivals(transaction: Transaction, advance: JobAdvance): Promise<void> {
  for (const [stage, entries] of advance.arrivals) {
    await transaction.execute(sql`
      INSERT INTO stage_arrivals (id, tenant_id, job_id, stage, ordinals, parents, files, from_steps)
      VALUES (${uuidv7()}::uuid, ${advance.tenantId}::uuid, ${advance.jobId}::uuid, ${stage}::smallint, ${entries.map((entry) => entry.ordinal)}::int[],
        ${entries.map((entry) => entry.parent)}::int[], ${entries.map((entry) => entry.fileId)}::uuid[], ${entries.map((entry) => entry.from)}::text[])`);
  }
}

/**
 * All that has arrived for a stage, in an order that does not depend on who finished first: by the item at the root
 * (a fan-out's children stand where their parent stood), then the item, then the order of `needs`, then as emitted.
 */
export async function allArrivals(transaction: Transaction, jobId: string, stage: StagePlan): Promise<Entry[]> {
  return await transaction.query<Entry>(sql`
    SELECT entry.ordinal, entry.parent, entry.file_id AS "fileId", entry.from_step AS "from"
    FROM stage_arrivals CROSS JOIN LATERAL unnest(ordinals, parents, files, from_steps) WITH ORDINALITY AS entry(ordinal, parent, file_id, from_step, place)
    WHERE job_id = ${jobId}::uuid AND stage = ${stage.no}
    ORDER BY CASE WHEN entry.parent >= 0 THEN entry.parent ELSE entry.ordinal END, entry.ordinal,
      array_position(${stage.steps[0]?.needs ?? []}::text[], entry.from_step), place`);
}
