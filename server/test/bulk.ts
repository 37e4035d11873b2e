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
  readonly by: TestTenant;
  readonly query?: string;
  readonly key?: string;
}

export function sendBulk(body: Buffer, { query = "", key, by }: Sending): Promise<Response> {
  const headers = { "content-type": "application/x-tar", ...(key !== undefined && { "idempotency-key": key }) };
  return by.fetch(`/files/bulk${query}`, { method: "POST", body: new Uint8Array(body), headers });
}

export async function storedBulk(body: Buffer, sending: Sending): Promise<BulkAnswer> {
  const response = await sendBulk(body, sending);
  const answer: unknown = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(201);
  return BulkAnswer.parse(answer);
}

/** An answer that says what was stored all the same. */
export async function refusedBulk(body: Buffer, sending: Sending): Promise<BulkRefusal> {
  const response = await sendBulk(body, sending);
  const answer: unknown = await response.json();
  return { status: response.status, ...Refusal.parse(answer) };
}

/** All pages, small ones. */
export async function listedBulk(bulkId: string, by: TestTenant): Promise<FileResource[]> {
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
