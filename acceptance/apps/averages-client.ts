import { until } from "../chaos/conditions.ts";

/** An existing client of the endpoints: it knows the app's port and nothing else. */
export interface AveragesClient {
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  /** POST /jobs where it must be taken. */
  order(noOfFiles: number, noOfEntriesPerFile: number): Promise<AveragesJob>;
  /** GET /jobs/:id where it must be there. */
  job(id: string): Promise<AveragesJob>;
  /** Polls until it has ended; rejects where status or progress go back, or it takes too long. */
  followed(id: string, options?: { withinMs?: number }): Promise<Followed>;
  /** Content of a path that a job names. */
  text(path: string): Promise<string>;
  validate(id: string): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface AveragesJob {
  readonly _id: string;
  readonly noOfFiles: number;
  readonly noOfEntriesPerFile: number;
  readonly progress: number;
  readonly totalTasks: number;
  readonly status: string;
  readonly filePaths: readonly string[];
  readonly outputFilePath: string | null;
  readonly processingStartTime: string | null;
  readonly processingCompleteTime: string | null;
}

export interface Followed {
  readonly job: AveragesJob;
  /** Each status that was seen, once. */
  readonly statuses: readonly string[];
}

export const STATUSES = ["Generating Files", "Processing", "Aggregating", "Completed", "Failed"] as const;
const LAST: readonly string[] = ["Completed", "Failed"];
/** Seconds on a machine of its own; others may share it. */
const PATIENCE_MS = 90_000;

export function averagesClient(url: string): AveragesClient {
  async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await fetch(`${url}${path}`, { method, ...sent });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  async function must(expected: number, asked: Promise<Answer>): Promise<AveragesJob> {
    const { status, body } = await asked;
    if (status !== expected) throw new Error(`${status} instead of ${expected}: ${JSON.stringify(body)}`);
    // What tests expect of it is what they are for.
    return body as AveragesJob;
  }

  const client: AveragesClient = {
    ask,
    order: (noOfFiles, noOfEntriesPerFile) => must(201, ask("POST", "/jobs", { noOfFiles, noOfEntriesPerFile })),
    job: (id) => must(200, ask("GET", `/jobs/${id}`)),
    async followed(id, { withinMs = PATIENCE_MS } = {}) {
      const statuses: string[] = [];
      let progress = 0;
      const job = await until(`${id} has ended`, withinMs, async () => {
        const now = await client.job(id);
        const before = statuses.at(-1);
        if (before !== undefined && place(now.status) < place(before)) throw new Error(`${id}: ${before}, then ${now.status}`);
        if (now.progress < progress || now.progress > 100) throw new Error(`${id}: ${progress} %, then ${now.progress} %`);
        if ((now.progress === 100) !== LAST.includes(now.status)) throw new Error(`${id}: ${now.progress} % while ${now.status}`);
        if (now.status !== before) statuses.push(now.status);
        progress = now.progress;
        return LAST.includes(now.status) ? now : undefined;
      });
      return { job, statuses };
    },
    async text(path) {
      const response = await fetch(`${url}${path}`);
      if (response.status !== 200) throw new Error(`GET ${path}: ${response.status}`);
      return await response.text();
    },
    validate: (id) => ask("POST", `/jobs/${id}/linear-validator`),
  };
  return client;
}

function place(status: string): number {
  const found = STATUSES.findIndex((known) => known === status);
  if (found === -1) throw new Error(`"${status}" is no status`);
  return found;
}
