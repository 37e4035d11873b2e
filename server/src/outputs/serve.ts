import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { create as contentDisposition } from "content-disposition";
import type { ContentStore } from "../storage/content-store.ts";
import type { ByteRange } from "../storage/object-store.ts";
import { parseRange } from "./byte-range.ts";
import type { FileManifest } from "./content.ts";
import { evaluate, isRangeMeant, type Validators } from "./serve-conditions.ts";

export interface ContentRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

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
export const INERT_HEADERS = {
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
export async function serveContent(manifest: FileManifest, contents: ContentStore, request: ContentRequest): Promise<ServedContent> {
  const validators = { etag: `"${manifest.sha256.toString("hex")}"`, lastModified: manifest.createdAt };
  const digest = `sha-256=:${manifest.sha256.toString("base64")}:`;
  const common = {
    ...INERT_HEADERS,
    etag: validators.etag,
    "last-modified": validators.lastModified.toUTCString(),
    "accept-ranges": "bytes",
    // RFC 9530: of the whole, also beside a part of it, so that whoever puts parts together can check them.
    "repr-digest": digest,
  };
  const verdict = evaluate(request.headers, validators);
  if (verdict === "failed") return { status: 412, headers: common };
  if (verdict === "not modified") return { status: 304, headers: common };
  const range = wantedRange(request, validators, manifest.sizeBytes);
  if (range === "none") return { status: 416, headers: { ...INERT_HEADERS, "content-range": `bytes */${manifest.sizeBytes}` } };
  const headers = {
    ...common,
    "content-type": manifest.mediaType,
    "content-disposition": contentDisposition(manifest.name, { type: "attachment" }),
  };
  if (range === "whole") {
    // The digest of a part would have to be made first, by reading the part twice: it is never sent.
    const wanted = wantsSha256(request.headers["want-content-digest"]) ? { "content-digest": digest } : {};
    const whole = { status: 200, headers: { ...headers, ...wanted, "content-length": String(manifest.sizeBytes) } } as const;
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

/** RFC 9110 §14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized", and HEAD sends none. */
function wantedRange(request: ContentRequest, validators: Validators, sizeBytes: number): ByteRange | "whole" | "none" {
  if (request.method === "HEAD" || !isRangeMeant(request.headers, validators)) return "whole";
  return parseRange(request.headers.range, sizeBytes);
}

/** RFC 9530 §4: a dictionary of algorithms and how much each is wanted, 0 for not at all. A preference, so never an error. */
function wantsSha256(header: string | string[] | undefined): boolean {
  return /(?:^|,)[ \t]*sha-256[ \t]*=[ \t]*(?:[1-9]|10)[ \t]*(?:;[^,]*)?(?:,|$)/.test(String(header ?? ""));
}
