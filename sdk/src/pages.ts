import type { Page } from "@filemill/contract/files.ts";
import type { Call, Transport } from "./transport.ts";

/** Conditions that every list takes; `metadata: {customer: "7"}` asks for `metadata.customer=7`. */
export interface ListQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  readonly status?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where a list of numbered things begins, instead of at the first. */
  readonly from?: number | undefined;
}

/** A list that is read page by page as it is walked: `for await (const file of list)`; `page()` gives one page. */
export interface List<T> extends AsyncIterable<T> {
  page(): Promise<Page<T>>;
}

/** `limit` is the size of a page, not of the walk. */
export function listOf<T>(transport: Transport, path: string, query: ListQuery = {}): List<T> {
  const page = (cursor: string | undefined) => transport.json<Page<T>>(pageCall(path, query, cursor));
  return {
    page: () => page(query.cursor),
    async *[Symbol.asyncIterator]() {
      let cursor = query.cursor;
      do {
        const answer = await page(cursor);
        yield* answer.data;
        cursor = answer.next_cursor ?? undefined;
      } while (cursor !== undefined);
    },
  };
}

function pageCall(path: string, query: ListQuery, cursor: string | undefined): Call {
  const metadata = Object.entries(query.metadata ?? {}).map(([key, value]) => [`metadata.${key}`, value] as const);
  return {
    method: "GET",
    path,
    query: { limit: query.limit, cursor, from: query.from, status: query.status, ...Object.fromEntries(metadata) },
    signal: query.signal,
  };
}
