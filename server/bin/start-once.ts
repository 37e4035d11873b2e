import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { encodeId } from "@filemill/contract/ids.ts";
import { readConfig, requireDatabaseUrl } from "../src/config.ts";
import { openDatabase, type Database } from "../src/db/database.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import type { JobClaim } from "../src/queue/claim-job.ts";
import { dropHold } from "../src/queue/job-hold.ts";
import { release } from "../src/queue/release.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { keepClaimed } from "../src/worker/keep-claimed.ts";
import { jobToTake, UsageError, type JobToTake } from "./job-to-take.ts";
import { runProcess } from "./run-process.ts";
import { takeJob } from "./take-job.ts";

/**
 * A worker for one job: it claims first, with as little code as that needs, and loads and starts everything else while the
 * job is its own already. A process that is started for a job should not find that another took it meanwhile.
 */
const GRACE_MS = 20_000;
const STOP_WITHIN_MS = GRACE_MS + 5_000;
const CONNECTIONS = 6;
const EXIT = { done: 0, notDone: 1, usage: 2 } as const;

let exitCode: number = EXIT.notDone;
const wanted = wantedJob();
if (wanted) await runProcess((shutdown) => run(wanted, shutdown), { stopWithinMs: STOP_WITHIN_MS, exitCode: () => exitCode });

function wantedJob(): JobToTake | undefined {
  try {
    return jobToTake(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exitCode = EXIT.usage;
    return undefined;
  }
}

async function run(job: JobToTake, shutdown: Shutdown): Promise<"done"> {
  const config = readConfig(process.env);
  let log: Logger | undefined;
  if (config.failpoints !== undefined) installFailpoint(config.failpoints);
  const database = openDatabase({
    url: requireDatabaseUrl(config),
    applicationName: "filemill-worker",
    maxConnections: CONNECTIONS,
    onIdleError: (err) => log?.warn({ err }, "an idle connection to the database was lost"),
  });
  shutdown.add("the database pool", () => database.close());
  await requireMigrated(database);

  const workerId = randomUUID();
  const claim = await takeJob(database, job, { workerId, lanes: config.workers.lanes, want: config.workers.slots });
  if (typeof claim === "string") {
    console.error(claim);
    return "done";
  }
  // What the command answers: the job that it has.
  console.log(encodeId("job", claim.jobId));
  const stopKeeping = keepClaimed(database, claim, workerId);
  let works = false;
  shutdown.add("the claim", async () => {
    stopKeeping();
    if (!works) await giveBack(database, { claim, workerId });
  });
  const [{ openLog }, { workOnce }] = await Promise.all([import("../src/telemetry/log.ts"), import("./work-once.ts")]);
  log = openLog({ level: config.telemetry.logLevel, process: "worker" });
  await workOnce({
    ...{ config, database, log, shutdown, claim, workerId, graceMs: GRACE_MS },
    onWorks() {
      works = true;
      stopKeeping();
    },
    onEnd(end) {
      if (end.ok) exitCode = EXIT.done;
      else console.error(`${encodeId("job", claim.jobId)}: ${end.why}.`);
    },
  });
  return "done";
}

/** Stopped while it loaded: the next worker need not wait for the leases to end. */
async function giveBack(database: Database, { claim, workerId }: { claim: JobClaim; workerId: string }): Promise<void> {
  const leases = claim.tasks.map((task) => ({ taskId: task.id, epoch: task.epoch }));
  await database.asSystem(async (transaction) => {
    await release(transaction, { workerId, leases, delayMs: 0 });
    await dropHold(transaction, { jobId: claim.jobId, workerId });
  });
}
