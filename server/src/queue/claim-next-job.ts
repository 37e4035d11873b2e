import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { claimHeld, type JobClaim, type JobClaimOptions } from "./claim-job.ts";
import { HOLD_MS, takeHold } from "./job-hold.ts";
import { FIRST_CURSOR, readyTenants, type RingRow } from "./ring.ts";

/** Tenants that one look may visit, and looks that one claim takes where all that is ready is held. */
const RING_TENANTS = 16;
const MAX_LOOKS = 64;

/**
 * Takes the next waiting job that no one-job worker holds, and the first of its tasks; undefined where there is none.
 *
 * Such a worker lives for one claim and has no cursor from the last one. So it goes the ring of tenants from a random
 * place, and among those that it meets the order is random too, by weight: what a long-lived worker does in turns, many
 * short-lived ones do on average.
 */
export async function claimNextJob(transaction: Transaction, options: JobClaimOptions): Promise<JobClaim | undefined> {
  for (const lane of inAnyOrder(options.lanes)) {
    const claim = await claimInLane(transaction, lane, options);
    if (claim) return claim;
  }
  return undefined;
}

async function claimInLane(transaction: Transaction, lane: string, options: JobClaimOptions): Promise<JobClaim | undefined> {
  const start = await anyTenant(transaction);
  let after = start;
  for (let look = 0; look < MAX_LOOKS; look++) {
    const ring = await readyTenants(transaction, { lane, cursor: { after }, tenants: RING_TENANTS });
    for (const tenant of byWeight(ring)) {
      const claim = await claimOfTenant(transaction, { lane, tenant, options });
      if (claim) return claim;
    }
    const last = ring.at(-1)?.tenantId;
    if (last === undefined || ring.length < RING_TENANTS) return undefined;
    after = last;
  }
  return undefined;
}

/**
 * The tenant's jobs in the order of their tasks. A task that another claim has locked is passed over, so that ten that
 * come at once look at ten jobs; where two meet all the same, the hold decides.
 */
async function claimOfTenant(
  transaction: Transaction,
  { lane, tenant, options }: { lane: string; tenant: RingRow; options: JobClaimOptions },
): Promise<JobClaim | undefined> {
  const { tenantId } = tenant;
  const tried: string[] = [];
  for (;;) {
    const [candidate] = await transaction.query<{ jobId: string }>(sql`
      SELECT job_id AS "jobId" FROM tasks
      WHERE lane = ${lane} AND tenant_id = ${tenantId}::uuid AND status = 'ready' AND NOT backing_off
        AND job_id <> ALL(ARRAY(SELECT job_id FROM job_holds WHERE held_until >= now() UNION SELECT unnest(${tried}::uuid[])))
      ORDER BY rank, id LIMIT 1 FOR UPDATE OF tasks SKIP LOCKED`);
    if (!candidate) return undefined;
    const { jobId } = candidate;
    tried.push(jobId);
    const { workerId, forMs = HOLD_MS } = options;
    await transaction.execute(sql`SAVEPOINT job`);
    if (await takeHold(transaction, { jobId, tenantId, workerId, forMs })) {
      const claim = await claimHeld(transaction, { ...options, jobId, tenant });
      if (claim) return claim;
      // The tenant is at its cap, and no other job of it will do.
      await transaction.execute(sql`ROLLBACK TO SAVEPOINT job`);
      return undefined;
    }
  }
}

/** Any, whether it has work or not: the ring then begins behind it. */
async function anyTenant(transaction: Transaction): Promise<string> {
  const [tenant] = await transaction.query<{ id: string }>(sql`SELECT id FROM tenants ORDER BY random() LIMIT 1`);
  return tenant?.id ?? FIRST_CURSOR.after;
}

/** A random order in which a tenant of weight 3 comes first three times as often as one of weight 1. */
function byWeight(ring: readonly RingRow[]): RingRow[] {
  return ring
    .map((tenant) => ({ tenant, place: -Math.log(1 - Math.random()) / tenant.weight }))
    .toSorted((left, right) => left.place - right.place)
    .map(({ tenant }) => tenant);
}

function inAnyOrder<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, place: Math.random() }))
    .toSorted((left, right) => left.place - right.place)
    .map(({ value }) => value);
}
