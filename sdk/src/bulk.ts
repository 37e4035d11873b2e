import type { BulkAnswer, BulkJobAccepted } from "@filemill/contract/bulk.ts";
import type { FileResource, Metadata } from "@filemill/contract/files.ts";
import type { RunOptions, UploadOptions } from "./upload.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import type { Transport } from "./transport.ts";

/** A tar (plain, gzip or zstd) or a zip. As a function where it is made as it is sent: called for each try, it must give the same bytes. */
export type Archive = Blob | (() => ReadableStream<Uint8Array>);

export interface Bulk {
  /**
   * Stores the files of an archive in one request. A connection that breaks is tried again, and the server goes on behind
   * what it has. Of a large one the answer tells the first 100 files; `list` gives all.
   */
  put(archive: Archive, options?: UploadOptions): Promise<BulkAnswer>;
  /** As put, and starts one job over all the files. */
  run(archive: Archive, options: RunOptions): Promise<BulkJobAccepted>;
  /** The files of a bulk, in the order of its archive. */
  list(bulkId: string, query?: Pick<ListQuery, "limit" | "cursor" | "signal">): List<FileResource>;
}

const BULK = "/api/v1/files/bulk";

export function bulkOf(transport: Transport): Bulk {
  const post = <T>(archive: Archive, options: UploadOptions & Partial<RunOptions>) =>
    transport.json<T>({
      method: "POST",
      path: BULK,
      content: archive,
      query: queryOf(options),
      headers: { "content-type": "application/octet-stream" },
      signal: options.signal,
    });
  return {
    put: (archive, options = {}) => post<BulkAnswer>(archive, options),
    run: (archive, options) => post<BulkJobAccepted>(archive, options),
    list: (bulkId, query) => listOf(transport, `${BULK}/${encodeURIComponent(bulkId)}`, query),
  };
}

function queryOf({ metadata = {}, pipeline, params }: { metadata?: Metadata | undefined } & Partial<RunOptions>): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value])),
    ...(pipeline !== undefined && { pipeline: typeof pipeline === "string" ? pipeline : JSON.stringify(pipeline) }),
    ...(params !== undefined && { params: JSON.stringify(params) }),
  };
}
