import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { changedTasks } from "./claim.ts";
import { claimNextJob } from "./claim-next-job.ts";
import { claimedNow, type JobClaim } from "./claim-job.ts";
import { dropHold, passHold } from "./job-hold.ts";
import { LEASE_MS } from "./lease.ts";

/**
 * A job set aside for a worker that does not run yet: its next task is claimed by the reservation's token, under a lease
 * of RESERVED_MS by the database's clock. Adopting it moves the epoch, so that of two that show the same token one finds
 * nothing. Not adopted, it expires like any lease and the reaper gives it back. Claims and reaper need no word of it.
 *
 * Nobody died, so no loss may be counted: what the reaper will add is taken off beforehand, and put back by the adoption.
 */
export const RESERVED_MS = 300_000;

export interface Reservation {
  readonly jobId: string;
  readonly token: string;
}

/** Reserves the next waiting job; undefined where there is none. */
export async function reserveNextJob(
  transaction: Transaction,
  { token, lanes }: { token: string; lanes: readonly string[] },
): Promise<Reservation | undefined> {
  const claim = await claimNextJob(transaction, { workerId: token, lanes, want: 1, forMs: RESERVED_MS });
  if (!claim) return undefined;
  await transaction.execute(sql`UPDATE tasks SET losses = losses - 1 WHERE id = ANY(${claim.tasks.map((task) => task.id)}::uuid[])`);
  return { jobId: claim.jobId, token };
}

/** Makes this worker the holder of what was reserved; undefined where the reservation has ended, or was adopted before. */
export async function adoptReservation(
  transaction: Transaction,
  { jobId, token }: Reservation,
  workerId: string,
): Promise<JobClaim | undefined> {
  const tasks = await changedTasks(
    transaction,
    sql`
      UPDATE tasks SET epoch = epoch + 1, worker_id = ${workerId}::uuid, losses = losses + 1, started_at = now(),
        lease_until = now() + ${LEASE_MS} * interval '1 millisecond'
      WHERE job_id = ${jobId}::uuid AND status = 'running' AND worker_id = ${token}::uuid AND lease_until >= now()`,
  );
  const [first] = tasks;
  if (!first) return undefined;
  await passHold(transaction, { jobId, workerId: token }, workerId);
  return { jobId, tenantId: first.tenantId, tasks, ...(await claimedNow(transaction, jobId)) };
}

/** Gives back a reservation that nobody will hear of. Returns the lanes that got work. */
export async function giveBackReservation(transaction: Transaction, reservation: Reservation): Promise<Set<string>> {
  const { jobId, token } = reservation;
  const rows = await transaction.query<{ lane: string }>(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, losses = losses + 1, run_at = now()
    WHERE job_id = ${jobId}::uuid AND status = 'running' AND worker_id = ${token}::uuid
    RETURNING lane`);
  await dropHold(transaction, { jobId, workerId: token });
  return new Set(rows.map((row) => row.lane));
}
