import type { Database } from "../db/database.ts";
import type { JobClaim } from "../queue/claim-job.ts";
import { renewHold } from "../queue/job-hold.ts";
import { RENEW_MS } from "../queue/lease.ts";
import { renew } from "../queue/renew.ts";

/**
 * Keeps a claim until the worker that it is for has loaded its code and renews it itself; gives what ends that. Never
 * rejects: a round that fails is followed by another, and the fence decides.
 */
export function keepClaimed(database: Database, claim: JobClaim, workerId: string): () => void {
  const leases = claim.tasks.map((task) => ({ taskId: task.id, epoch: task.epoch }));
  const timer = setInterval(() => {
    database
      .asSystem(async (transaction) => {
        await renew(transaction, workerId, leases);
        await renewHold(transaction, { jobId: claim.jobId, workerId });
      })
      .catch(() => undefined);
  }, RENEW_MS);
  return () => clearInterval(timer);
}
