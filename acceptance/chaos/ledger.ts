import { mkdir, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One file of a request, as it was meant. Its bytes follow from name and size (content.ts). */
export interface IntendedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What a client wants: known before anything is sent. */
export interface Intent {
  /** Idempotency-Key, and metadata `key` of the files and of the job. */
  readonly key: string;
  readonly files: readonly IntendedFile[];
  /** A document; undefined only stores the files. */
  readonly pipeline?: unknown;
  /** What the job is to give. */
  readonly expected: Expected;
}

export interface Expected {
  /** stamped: each item that succeeds has one output, its input and a line of 36 characters. passed: its input itself. */
  readonly outputs: "stamped" | "passed" | "none";
  /** Names of the inputs that must die; everything else must succeed. */
  readonly dead: readonly string[];
  /** Statuses of an acknowledged job's end are changed so many times by an audited retry. */
  readonly retries: number;
}

export type Line =
  | { readonly phase: "intent"; readonly at: number; readonly intent: Intent }
  | { readonly phase: "sent"; readonly at: number; readonly key: string }
  | { readonly phase: "answered"; readonly at: number; readonly key: string; readonly status: number; readonly body: string }
  | { readonly phase: "cut"; readonly at: number; readonly key: string; readonly error: string };

/** What one client did, as lines of JSON. A line is durable before the client goes on: what it knows can't be forgotten. */
export interface Ledger {
  write(line: Line): Promise<void>;
  close(): Promise<void>;
}

export async function openLedger(folder: string, client: string): Promise<Ledger> {
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, `${client}.ndjson`), "a");
  let last = Promise.resolve();
  return {
    write(line) {
      last = last.then(async () => {
        await file.appendFile(`${JSON.stringify(line)}\n`);
        await file.datasync();
      });
      return last;
    },
    close: () => last.then(() => file.close()),
  };
}

export interface LedgerRequest {
  readonly intent: Intent;
  /** Bodies of 2xx answers; any makes the request acknowledged. */
  readonly acknowledged: readonly { status: number; body: string }[];
  readonly failures: readonly string[];
}

/** Everything that all clients wrote, by request. */
export async function readLedgers(folder: string): Promise<LedgerRequest[]> {
  const requests = new Map<string, { intent: Intent; acknowledged: { status: number; body: string }[]; failures: string[] }>();
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), "utf8");
    for (const json of text.split("\n").filter((line) => line !== "")) {
      const line = JSON.parse(json) as Line;
      if (line.phase === "intent") requests.set(line.intent.key, { intent: line.intent, acknowledged: [], failures: [] });
      else if (line.phase === "answered" && line.status < 300)
        requests.get(line.key)?.acknowledged.push({ status: line.status, body: line.body });
      else if (line.phase === "answered") requests.get(line.key)?.failures.push(`${line.status} ${line.body}`);
      else if (line.phase === "cut") requests.get(line.key)?.failures.push(line.error);
    }
  }
  return [...requests.values()];
}
