import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { encodeId } from "@filemill/contract/ids.ts";
import { readConfig, requireDatabaseUrl } from "../src/config.ts";
import { openDatabase, type Database } from "../src/db/database.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import { giveBackReservation, RESERVED_MS, reserveNextJob, type Reservation } from "../src/queue/reserve-job.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { UsageError } from "./job-to-take.ts";
import { runProcess, StartError } from "./run-process.ts";

/**
 * Reserves the next waiting job for a one-job worker that starts later, such as the main container of a pod whose init
 * container this is, and writes to a file what that worker adopts it with.
 */
const STOP_WITHIN_MS = 5_000;
const EXIT = { done: 0, notDone: 1, usage: 2 } as const;

let exitCode: number = EXIT.notDone;
const path = outFile();
if (path !== undefined) await runProcess((shutdown) => reserve(path, shutdown), { stopWithinMs: STOP_WITHIN_MS, exitCode: () => exitCode });

function outFile(): string | undefined {
  try {
    const { values } = parseArgs({ options: { out: { type: "string" } } });
    if (!values.out) throw new UsageError("Say where to write what was claimed: --out FILE.");
    return resolve(values.out);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = EXIT.usage;
    return undefined;
  }
}

async function reserve(file: string, shutdown: Shutdown): Promise<"done"> {
  const config = readConfig(process.env);
  if (config.failpoints !== undefined) installFailpoint(config.failpoints);
  const database = openDatabase({ url: requireDatabaseUrl(config), applicationName: "filemill-claim", maxConnections: 1 });
  shutdown.add("the database pool", () => database.close());
  const token = randomUUID();
  // Before anything is reserved: a folder that can't be written must cost no job its place.
  const draft = await openDraft(file, token);
  shutdown.add("the draft", () => draft.drop());
  await requireMigrated(database);
  const { lanes } = config.workers;
  const reservation = await database.asSystem((transaction) => reserveNextJob(transaction, { token, lanes }));
  if (!reservation) {
    console.error(`No job waits in the lanes ${lanes.join(", ")}.`);
    return "done";
  }
  const jobId = encodeId("job", reservation.jobId);
  try {
    await draft.publish(`${JSON.stringify({ job_id: jobId, token, seconds: RESERVED_MS / 1_000 })}\n`);
  } catch (cause) {
    await giveBack(database, reservation);
    throw new StartError(
      `${file} can't be written, and the job was given back (${cause instanceof Error ? cause.message : String(cause)}).`,
    );
  }
  console.log(jobId);
  exitCode = EXIT.done;
  return "done";
}

/** Where even that fails the reservation ends by itself. */
async function giveBack(database: Database, reservation: Reservation): Promise<void> {
  await database.asSystem((transaction) => giveBackReservation(transaction, reservation)).catch(() => undefined);
}

interface Draft {
  /** The file is there with all of the text, or as it was. */
  publish(text: string): Promise<void>;
  drop(): Promise<void>;
}

async function openDraft(file: string, token: string): Promise<Draft> {
  const temporary = `${file}.${token}.tmp`;
  const handle = await open(temporary, "wx", 0o600).catch((cause: unknown) => {
    throw new StartError(`${dirname(file)} can't be written (${cause instanceof Error ? cause.message : String(cause)}).`);
  });
  return {
    async publish(text) {
      await handle.writeFile(text);
      await handle.sync();
      await rename(temporary, file);
    },
    async drop() {
      await handle.close();
      await rm(temporary, { force: true });
    },
  };
}
