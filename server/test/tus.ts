import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from "node:http";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { decodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../src/db/database.ts";
import { sql } from "../src/db/sql.ts";

/** tus requests as plain HTTP: what a test sends is what it says, and nothing is repeated or corrected. */
export interface Tus {
  send(method: string, url: string, headers?: Record<string, string>, body?: Buffer | string): Promise<TusAnswer>;
  /** POST to the collection; gives the URL too. */
  create(headers: Record<string, string>, body?: Buffer): Promise<TusAnswer & { url: string }>;
  patch(url: string, offset: number, body: Buffer, headers?: Record<string, string>): Promise<TusAnswer>;
  head(url: string, headers?: Record<string, string>): Promise<TusAnswer>;
  /** A PATCH that stays open: write to it, end it or destroy it. */
  open(url: string, offset: number, headers?: Record<string, string>): OpenPatch;
}

export interface TusAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: { code?: string; [member: string]: unknown };
}

export interface OpenPatch {
  readonly request: ClientRequest;
  readonly answer: Promise<TusAnswer>;
}

export function tusAt(base: string, key: string): Tus {
  const agentless = { agent: false } as const;

  function begin(method: string, url: string, headers: Record<string, string>): OpenPatch {
    const target = new URL(url, `${base}/`);
    const request = httpRequest(target, {
      method,
      ...agentless,
      headers: { authorization: `Bearer ${key}`, "tus-resumable": "1.0.0", ...headers },
    });
    const answer = readAnswer(request);
    answer.catch(() => undefined);
    return { request, answer };
  }

  const tus: Tus = {
    async send(method, url, headers = {}, body) {
      const { request, answer } = begin(method, url, headers);
      request.end(body);
      return await answer;
    },
    async create(headers, body) {
      const sent =
        body === undefined ? { "content-length": "0", ...headers } : { "content-type": "application/offset+octet-stream", ...headers };
      const answer = await tus.send("POST", "/api/v1/uploads", sent, body);
      return { ...answer, url: String(answer.headers.location) };
    },
    patch: (url, offset, body, headers = {}) =>
      tus.send("PATCH", url, { "content-type": "application/offset+octet-stream", "upload-offset": String(offset), ...headers }, body),
    head: (url, headers = {}) => tus.send("HEAD", url, headers),
    open: (url, offset, headers = {}) =>
      begin("PATCH", url, { "content-type": "application/offset+octet-stream", "upload-offset": String(offset), ...headers }),
  };
  return tus;
}

/** Sends this much of a body and, once the request is served (`begun`), cuts the connection. */
export async function cutAfter({ request }: OpenPatch, bytes: Buffer, begun: () => Promise<boolean>): Promise<void> {
  request.on("error", () => undefined);
  await new Promise((resolve) => void request.write(bytes, resolve));
  while (!(await begun())) await delay(10);
  const closed = new Promise((resolve) => void request.once("close", resolve));
  request.destroy();
  await closed;
}

/** Does a request hold the lock of this upload? */
export async function isLocked(database: Database, url: string): Promise<boolean> {
  const id = decodeId("upload", url.slice(url.lastIndexOf("/") + 1));
  const rows = await database.asSystem((transaction) =>
    transaction.query(sql`SELECT FROM uploads WHERE id = ${id}::uuid AND lock_holder IS NOT NULL`),
  );
  return rows.length > 0;
}

/** `key value` pairs of Upload-Metadata. */
export function metadata(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString("base64")}`.trim())
    .join(",");
}

async function readAnswer(request: ClientRequest): Promise<TusAnswer> {
  const [response] = await once(request, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}
