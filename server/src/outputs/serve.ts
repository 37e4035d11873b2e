import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { create as contentDisposition } from "content-disposition";
import type { ContentStore } from "../storage/content-store.ts";
import type { ByteRange } from "../storage/object-store.ts";
import { parseRange } from "./byte-range.ts";
import type { FileManifest } from "./content.ts";

export interface ServedContent {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  /** Left out for HEAD, 304, 412 and 416. Whoever gets it has to read or destroy it. */
  readonly body?: Readable;
}

/**
 * Headers that keep users' content from acting as a page of ours: always an attachment, never sniffed, never with an
 * origin, never kept by a cache.
 */
const INERT_HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "cache-control": "private, no-store",
} as const;

/**
 * The answer to GET or HEAD of a file's content: ranges, conditions, name. Throws StorageError where the bytes can't be
 * had; the caller has looked up the manifest as the tenant.
 */
export async function serveContent(
  manifest: FileManifest,
  contents: ContentStore,
  request: { method: string; headers: IncomingHttpHeaders },
): Promise<ServedContent> {
  const etag = `"${manifest.sha256.toString("hex")}"`;
  const common = { ...INERT_HEADERS, etag, "accept-ranges": "bytes" };
  // RFC 9110 §13.2.2: before If-None-Match and Range.
  if (isStale(request.headers["if-match"], etag)) return { status: 412, headers: common };
  if (matches(request.headers["if-none-match"], etag)) return { status: 304, headers: common };
  const range = request.method === "HEAD" ? "whole" : wantedRange(request.headers, etag, manifest.sizeBytes);
  if (range === "none") return { status: 416, headers: { ...INERT_HEADERS, "content-range": `bytes */${manifest.sizeBytes}` } };
  const headers = {
    ...common,
    "content-type": manifest.mediaType,
    "content-disposition": contentDisposition(manifest.name, { type: "attachment" }),
  };
  if (range === "whole") {
    const whole = { status: 200, headers: { ...headers, "content-length": String(manifest.sizeBytes) } } as const;
    return request.method === "HEAD" ? whole : { ...whole, body: await contents.read(manifest) };
  }
  return {
    status: 206,
    headers: {
      ...headers,
      "content-length": String(range.end - range.start + 1),
      "content-range": `bytes ${range.start}-${range.end}/${manifest.sizeBytes}`,
    },
    body: await contents.read(manifest, { range }),
  };
}

/** RFC 9110 §13.1.5: with an If-Range that is not this very (strong) tag, the Range is ignored. Content has no dates. */
function wantedRange(headers: IncomingHttpHeaders, etag: string, sizeBytes: number): ByteRange | "whole" | "none" {
  const condition = headers["if-range"];
  if (condition !== undefined && condition !== etag) return "whole";
  return parseRange(headers.range, sizeBytes);
}

/** RFC 9110 §13.1.1: strong comparison, so that a `W/` never matches. */
function isStale(header: string | undefined, etag: string): boolean {
  if (header === undefined || header.trim() === "*") return false;
  return !header.split(",").some((tag) => tag.trim() === etag);
}

/** RFC 9110 §13.1.2: weak comparison, so that `W/` is not looked at. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
