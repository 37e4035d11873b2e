import { BulkAnswer } from "@filemill/contract/bulk.ts";
import type { FileResource } from "@filemill/contract/files.ts";
import { expect } from "vitest";
import { z } from "zod";
import type { RawTarEntry } from "./tars.ts";
import { answerOf, type TestTenant } from "./test-app.ts";

const Refusal = z.object({
  code: z.string(),
  detail: z.string(),
  bulk_id: z.string(),
  stored: z.object({ files: z.int(), size: z.int() }),
});

export type BulkRefusal = z.infer<typeof Refusal> & { readonly status: number };

export interface Sending {
  /** Somebody else. */
  readonly by?: TestTenant;
  readonly query?: string;
  readonly key?: string;
}

/** Sends and lists as the tenant that a test file has once its tests run. */
export function bulksOf(tenant: () => TestTenant) {
  const as = (sending: Sending) => ({ by: tenant(), ...sending });
  return {
    send: (body: Buffer, sending: Sending = {}) => send(body, as(sending)),
    stored: (body: Buffer, sending: Sending = {}) => stored(body, as(sending)),
    /** An answer that says what was stored all the same. */
    refused: (body: Buffer, sending: Sending = {}) => refused(body, as(sending)),
    /** All pages, small ones. */
    listed: (bulkId: string, by: TestTenant = tenant()) => listed(bulkId, by),
  };
}

type SendingBy = Sending & { readonly by: TestTenant };

function send(body: Buffer, { query = "", key, by }: SendingBy): Promise<Response> {
  const headers = { "content-type": "application/x-tar", ...(key !== undefined && { "idempotency-key": key }) };
  return by.fetch(`/files/bulk${query}`, { method: "POST", body: new Uint8Array(body), headers });
}

async function stored(body: Buffer, sending: SendingBy): Promise<BulkAnswer> {
  const response = await send(body, sending);
  const answer: unknown = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(201);
  return BulkAnswer.parse(answer);
}

async function refused(body: Buffer, sending: SendingBy): Promise<BulkRefusal> {
  const response = await send(body, sending);
  const answer: unknown = await response.json();
  return { status: response.status, ...Refusal.parse(answer) };
}

async function listed(bulkId: string, by: TestTenant): Promise<FileResource[]> {
  const files: FileResource[] = [];
  for (let cursor: string | null = "", first = true; cursor !== null; first = false) {
    const response: Response = await by.fetch(`/files/bulk/${bulkId}?limit=70${first ? "" : `&cursor=${cursor}`}`);
    const page = await answerOf(response);
    files.push(...page.data);
    cursor = page.next_cursor;
  }
  return files;
}

export function someEntries(count: number): RawTarEntry[] {
  return Array.from({ length: count }, (_none, no) => ({
    name: `folder/file-${String(no).padStart(4, "0")}.txt`,
    content: Buffer.from(`content ${no}\n`),
  }));
}
