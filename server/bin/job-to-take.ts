import { readFileSync } from "node:fs";
import { decodeId } from "@filemill/contract/ids.ts";
import type { Reservation } from "../src/queue/reserve-job.ts";

/** Which job a one-job worker is to take: this one, the one that was reserved, or the next that waits. */
export type JobToTake =
  | { readonly type: "next" }
  | { readonly type: "job"; readonly jobId: string }
  | { readonly type: "reserved"; readonly reservation: Reservation };

/** The command was used wrongly; the message says how it is used. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** The argument goes before JOB_ID, and that before JOB_ID_FILE; an empty one is none. Throws UsageError. */
export function jobToTake(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  read: (path: string) => string = (path) => readFileSync(path, "utf8"),
): JobToTake {
  if (words.length > 1) throw new UsageError("A one-job worker takes one job: give one JOB_ID, or none for the next that waits.");
  const told = words[0]?.trim() || environment["JOB_ID"]?.trim();
  if (told) return { type: "job", jobId: jobIdOf(told, "JOB_ID") };
  const path = environment["JOB_ID_FILE"]?.trim();
  return path ? inFile(path, read) : { type: "next" };
}

function inFile(path: string, read: (path: string) => string): JobToTake {
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`JOB_ID_FILE can't be read (${why}). It is what "filemill claim --out FILE" writes, or a file with a job's id.`);
  }
  const { id, token } = contentOf(text);
  const jobId = jobIdOf(id, `The job in ${path}`);
  if (token === undefined) return { type: "job", jobId };
  if (!UUID.test(token)) throw new UsageError(`${path} holds a token that "filemill claim" has not written.`);
  return { type: "reserved", reservation: { jobId, token } };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** JSON as "filemill claim" writes it; of anything else the first line is the id. */
function contentOf(text: string): { readonly id: string; readonly token: string | undefined } {
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === "object" && document !== null && "job_id" in document) {
      return { id: String(document.job_id), token: "token" in document ? String(document.token) : undefined };
    }
  } catch {
    // Not JSON.
  }
  return { id: (text.trim().split("\n")[0] ?? "").trim(), token: undefined };
}

function jobIdOf(text: string, what: string): string {
  const jobId = decodeId("job", text);
  if (jobId === undefined) throw new UsageError(`${what} is "${text.slice(0, 80)}", which is no id of a job; one looks like job_01kax….`);
  return jobId;
}
