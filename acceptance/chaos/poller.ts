import { setTimeout as delay } from "node:timers/promises";
import { sha256 } from "./content.ts";
import type { FaultWindow } from "./fault-window.ts";

/**
 * A reader that looks all the time (C3): what it is shown once, it must be shown for good. A job that it saw completed
 * never has fewer, more or other outputs later, and every output that is listed can be read and is what its hash says.
 */
export interface Poller {
  watch(jobId: string, outputs: number): void;
  /** Looks once more at everything, then stops. Resolves to what it found wrong. */
  stop(): Promise<readonly string[]>;
}

interface Watched {
  readonly expected: number;
  readonly seen: Map<string, string>;
  readonly read: Set<string>;
  complete?: string;
}

interface Job {
  readonly status: string;
  readonly output_files: readonly { id: string; sha256: string; url: string; size: number }[];
}

const ROUND_PAUSE_MS = 50;
const ENDED = new Set(["completed", "failed", "cancelled"]);

export function startPoller({ url, key }: { url: string; key: string }, window: FaultWindow): Poller {
  const watched = new Map<string, Watched>();
  const findings: string[] = [];
  let stopping = false;

  async function get(path: string): Promise<Response | undefined> {
    const startedAt = performance.now();
    const where = `GET ${path}`;
    try {
      const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${key}` } });
      window.saw({ where, startedAt, status: answer.status, retryAfter: answer.headers.get("retry-after") });
      if (answer.ok) return answer;
      await answer.arrayBuffer();
      // Outside of a fault even a polite refusal is one too many: this is something that was shown to be there.
      if (!window.since(startedAt)) findings.push(`C3: ${where} answered ${answer.status}`);
    } catch (error) {
      window.saw({ where, startedAt, error: error instanceof Error ? String(error.cause ?? error) : String(error) });
    }
    return undefined;
  }

  async function look(jobId: string, known: Watched): Promise<void> {
    const answer = await get(`/api/v1/jobs/${jobId}`);
    if (!answer) return;
    const job = (await answer.json()) as Job;
    for (const { id, sha256: hash } of job.output_files) {
      if (known.seen.get(id) !== undefined && known.seen.get(id) !== hash) findings.push(`C3: output ${id} of ${jobId} changed its hash`);
      known.seen.set(id, hash);
    }
    const listed = new Set(job.output_files.map(({ id }) => id));
    for (const id of known.seen.keys()) if (!listed.has(id)) findings.push(`C3: output ${id} of ${jobId} was shown and is gone`);
    if (ENDED.has(job.status)) {
      const all = [...listed].toSorted().join(" ");
      if (known.complete !== undefined && known.complete !== all) findings.push(`C3: the outputs of ${jobId} changed after its end`);
      if (listed.size !== known.expected)
        findings.push(`C3: ${jobId} was seen ${job.status} with ${listed.size} of ${known.expected} outputs`);
      known.complete = all;
    } else if (known.complete !== undefined) findings.push(`C2: ${jobId} had ended and is ${job.status} again`);
    for (const output of job.output_files) if (!known.read.has(output.id)) await read(jobId, output, known);
  }

  async function read(jobId: string, output: Job["output_files"][number], known: Watched): Promise<void> {
    const startedAt = performance.now();
    const answer = await get(`/api/v1/files/${output.id}/content`);
    if (!answer) return;
    try {
      const content = Buffer.from(await answer.arrayBuffer());
      if (sha256(content) !== output.sha256) findings.push(`C3: output ${output.id} of ${jobId} is not what its hash says`);
      known.read.add(output.id);
    } catch (error) {
      window.saw({ where: `reading ${output.id}`, startedAt, error: String(error) });
    }
  }

  async function round(): Promise<void> {
    for (const [jobId, known] of watched) await look(jobId, known);
  }

  const polling = (async () => {
    while (!stopping) {
      await round();
      await delay(ROUND_PAUSE_MS);
    }
    await round();
  })();

  return {
    watch: (jobId, expected) => void watched.set(jobId, { expected, seen: new Map(), read: new Set() }),
    async stop() {
      stopping = true;
      await polling;
      return [...new Set(findings)];
    },
  };
}
