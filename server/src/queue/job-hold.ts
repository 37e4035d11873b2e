import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/**
 * A job in the hands of one one-job worker, or reserved for one. It keeps other one-job workers from the same job also
 * while none of its tasks runs, between two stages say; whether a write counts is still decided by the leases of tasks.
 * Workers of many jobs do not look here, so that what they claim costs nothing more.
 */
export interface JobHold {
  readonly jobId: string;
  /** Of a reservation: its token. */
  readonly workerId: string;
}

/** As long as a lease; renewed with the leases. */
export const HOLD_MS = 15_000;

/** Takes the job unless another holds it; whether it did. What another is taking just now is waited for. */
export async function takeHold(transaction: Transaction, hold: JobHold & { tenantId: string; forMs: number }): Promise<boolean> {
  const rows = await transaction.query(sql`
    INSERT INTO job_holds (job_id, tenant_id, worker_id, held_until)
    VALUES (${hold.jobId}::uuid, ${hold.tenantId}::uuid, ${hold.workerId}::uuid, now() + ${hold.forMs} * interval '1 millisecond')
    ON CONFLICT (job_id) DO UPDATE SET worker_id = excluded.worker_id, held_until = excluded.held_until, taken_at = now()
      WHERE job_holds.held_until < now()
    RETURNING job_id`);
  return rows.length > 0;
}

/** Hands a reservation on to the worker that shows its token. */
export async function passHold(transaction: Transaction, { jobId, workerId }: JobHold, to: string): Promise<void> {
  await transaction.execute(sql`
    UPDATE job_holds SET worker_id = ${to}::uuid, held_until = now() + ${HOLD_MS} * interval '1 millisecond'
    WHERE job_id = ${jobId}::uuid AND worker_id = ${workerId}::uuid`);
}

export async function renewHold(transaction: Transaction, { jobId, workerId }: JobHold): Promise<void> {
  await transaction.execute(sql`
    UPDATE job_holds SET held_until = now() + ${HOLD_MS} * interval '1 millisecond'
    WHERE job_id = ${jobId}::uuid AND worker_id = ${workerId}::uuid`);
}

/** Also sweeps what killed workers left, long after it held anything. */
export async function dropHold(transaction: Transaction, { jobId, workerId }: JobHold): Promise<void> {
  await transaction.execute(sql`
    DELETE FROM job_holds
    WHERE (job_id = ${jobId}::uuid AND worker_id = ${workerId}::uuid) OR held_until < now() - interval '1 hour'`);
}
