import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { contentOf, sha256 } from "./content.ts";
import type { FaultWindow } from "./fault-window.ts";
import { openLedger, type Expected, type IntendedFile, type Intent } from "./ledger.ts";

/** Sends forms, writes in its ledger what it knew when, and repeats under the same key until it is told that it worked. */
export interface LoadClient {
  /** Resolves to the acknowledged answer's body. Rejects when `withinMs` is over without one. */
  submit(intent: Intent, options?: SubmitOptions): Promise<Accepted>;
  close(): Promise<void>;
}

export interface SubmitOptions {
  /** A new one for every try. */
  readonly url?: () => string;
  readonly withinMs?: number;
  /** Pause between pieces of the body. */
  readonly pieceMs?: number;
  readonly onPiece?: (bytes: number) => void;
  /** Tries it makes at the same time. */
  readonly atOnce?: number;
}

export interface Accepted {
  readonly job_id?: string;
  readonly files: readonly { id: string; name: string; sha256: string; size: number }[];
}

const PIECE_BYTES = 64 * 1_024;
const RETRY_MS = 150;
const BOUNDARY = "chaos-5f0e6a1c";

export async function openLoadClient(
  site: { url: string; key: string; ledgerFolder: string },
  name: string,
  window: FaultWindow,
): Promise<LoadClient> {
  const ledger = await openLedger(site.ledgerFolder, name);

  async function tryOnce(intent: Intent, options: SubmitOptions): Promise<Accepted | undefined> {
    const startedAt = performance.now();
    await ledger.write({ phase: "sent", at: Date.now(), key: intent.key });
    const where = `POST /files ${intent.key}`;
    try {
      const answer = await post(options.url?.() ?? site.url, site.key, intent, options);
      await ledger.write({ phase: "answered", at: Date.now(), key: intent.key, status: answer.status, body: answer.body });
      window.saw({ where, startedAt, status: answer.status, retryAfter: answer.retryAfter });
      if (answer.status < 300) return JSON.parse(answer.body) as Accepted;
      if (answer.status < 500 && !window.since(startedAt)) throw new Error(`${where} was refused: ${answer.status} ${answer.body}`);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      await ledger.write({ phase: "cut", at: Date.now(), key: intent.key, error: String(error.code) });
      window.saw({ where, startedAt, error: String(error.code) });
    }
    return undefined;
  }

  return {
    async submit(intent, options = {}) {
      const { withinMs = 60_000, atOnce = 1 } = options;
      const deadline = performance.now() + withinMs;
      await ledger.write({ phase: "intent", at: Date.now(), intent });
      for (;;) {
        const answers = await Promise.all(Array.from({ length: atOnce }, () => tryOnce(intent, options)));
        const accepted = answers.find((answer) => answer !== undefined);
        if (accepted) return accepted;
        if (performance.now() > deadline) throw new Error(`${intent.key} was not accepted within ${withinMs} ms`);
        await delay(RETRY_MS);
      }
    },
    close: () => ledger.close(),
  };
}

/** An intent whose files are named after its key. */
export function intend(
  key: string,
  sizes: readonly number[],
  order: { pipeline?: unknown; name?: (index: number) => string; expected?: Partial<Expected> } = {},
): Intent {
  const files = sizes.map((sizeBytes, index): IntendedFile => {
    const name = order.name?.(index) ?? `${key}-${index}.bin`;
    return { name, sizeBytes, sha256: sha256(contentOf(name, sizeBytes)) };
  });
  const outputs = order.pipeline === undefined ? "none" : "stamped";
  return {
    key,
    files,
    ...(order.pipeline !== undefined && { pipeline: order.pipeline }),
    expected: { outputs, dead: [], retries: 0, ...order.expected },
  };
}

/** chaos.stamp over each file in a task of its own. */
export function stamping(ms: number, more: { slow_ms?: number } = {}): unknown {
  return { name: "stamping", steps: { stamp: { use: "chaos.stamp", with: { ms, ...more }, batch: { items: 1 } } } };
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | undefined;
}

/** One multipart request over a connection of its own. Rejects with a socket's error where it is cut. */
export async function post(url: string, key: string, intent: Intent, options: SubmitOptions = {}): Promise<Answer> {
  const body = formOf(intent);
  const request = httpRequest(`${url}/api/v1/files`, {
    method: "POST",
    agent: false,
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
      "content-length": body.length,
      "idempotency-key": intent.key,
    },
  });
  const answered = Promise.withResolvers<Answer>();
  request.on("error", answered.reject);
  request.on("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", answered.reject);
    response.on("end", () => {
      answered.resolve({
        status: response.statusCode ?? 0,
        body: Buffer.concat(chunks).toString(),
        retryAfter: response.headers["retry-after"],
      });
    });
  });
  answered.promise.catch(() => undefined);
  for (let start = 0; start < body.length && !request.destroyed; start += PIECE_BYTES) {
    const piece = body.subarray(start, start + PIECE_BYTES);
    if (!request.write(piece)) await Promise.race([once(request, "drain").catch(() => undefined), answered.promise.catch(() => undefined)]);
    options.onPiece?.(piece.length);
    if (options.pieceMs) await delay(options.pieceMs);
  }
  request.end();
  return await answered.promise;
}

function formOf({ key, files, pipeline }: Intent): Buffer {
  const field = (name: string, value: string) =>
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  const parts: Buffer[] = [field("metadata", JSON.stringify({ key }))];
  if (pipeline !== undefined) parts.push(field("pipeline", JSON.stringify(pipeline)));
  for (const { name, sizeBytes } of files) {
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    parts.push(Buffer.from(head), contentOf(name, sizeBytes), Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}
