import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../src/db/database.ts";
import { claimJob, type JobClaim, type JobClaimOptions, type NotToBeHad } from "../src/queue/claim-job.ts";
import { claimNextJob } from "../src/queue/claim-next-job.ts";
import { adoptReservation } from "../src/queue/reserve-job.ts";
import type { JobToTake } from "./job-to-take.ts";

/** Claims what a one-job worker is to take; a sentence where there is no such job to be had. */
export async function takeJob(database: Database, job: JobToTake, options: JobClaimOptions): Promise<JobClaim | string> {
  if (job.type === "next") {
    const claim = await database.asSystem((transaction) => claimNextJob(transaction, options));
    return claim ?? `No job waits in the lanes ${options.lanes.join(", ")}.`;
  }
  if (job.type === "reserved") {
    const claim = await database.asSystem((transaction) => adoptReservation(transaction, job.reservation, options.workerId));
    return claim ?? `The reservation of ${encodeId("job", job.reservation.jobId)} has ended, or another worker has adopted it.`;
  }
  try {
    return await database.asSystem(async (transaction) => {
      const claim = await claimJob(transaction, job.jobId, options);
      if (typeof claim === "string") throw new NotHad(claim);
      return claim;
    });
  } catch (error) {
    if (error instanceof NotHad) return `${encodeId("job", job.jobId)} ${WHY[error.why]}`;
    throw error;
  }
}

/** Thrown through the transaction, so that it leaves nothing behind. */
class NotHad extends Error {
  readonly why: NotToBeHad;
  constructor(why: NotToBeHad) {
    super(why);
    this.why = why;
  }
}

const WHY: Readonly<Record<NotToBeHad, string>> = {
  unknown: "is no job of this installation.",
  ended: "has ended already.",
  held: "is in the hands of another one-job worker.",
  nothing_ready: "has nothing ready in the lanes of this worker: what is left of it runs elsewhere, waits, or is over its tenant's cap.",
};
