import type { FastifyRequest } from "fastify";
import { Problem } from "../errors.ts";
import { parseChecksum, type Checksum } from "../uploads/resumable/checksum.ts";
import { describe, parseBytes, parseConcat, type Described } from "../uploads/resumable/headers.ts";
import { OFFSET_MEDIA_TYPE, TUS_VERSION } from "../uploads/resumable/protocol.ts";

/** What the headers of a tus request say, checked; all throw Problem. Quotes are from tus 1.0.0. */

/**
 * "If the version specified by the Client is not supported by the Server, it MUST respond with the 412 Precondition Failed
 * status … the Server MUST NOT process the request."
 */
export function requireVersion(request: FastifyRequest): void {
  if (header(request, "tus-resumable") === TUS_VERSION) return;
  throw new Problem("precondition_failed", `Say which protocol you speak: Tus-Resumable: ${TUS_VERSION}.`);
}

export interface PatchHeaders {
  readonly offset: number;
  readonly contentLength: number | undefined;
  readonly length: number | undefined;
  readonly checksum: Checksum | undefined;
}

/** "All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise the server SHOULD return a 415." */
export function readPatch(request: FastifyRequest): PatchHeaders {
  requireOffsetType(request);
  const offset = header(request, "upload-offset");
  if (offset === undefined) throw new Problem("validation_failed", "A PATCH needs the header Upload-Offset: where its bytes begin.");
  return { offset: parseBytes("Upload-Offset", offset), ...readBody(request), length: readLength(request) };
}

export interface CreationHeaders {
  readonly described: Described;
  readonly sentMetadata: string | undefined;
  readonly sentConcat: string | undefined;
  readonly asked:
    | { readonly kind: "single" | "partial"; readonly length: number | undefined }
    | { readonly kind: "final"; readonly partials: readonly string[] };
  /** Where the creation carries the first bytes. */
  readonly body: Pick<PatchHeaders, "contentLength" | "checksum"> | undefined;
}

/**
 * "The request MUST include one of the following headers: Upload-Length … Upload-Defer-Length: 1", and for a final upload
 * "The Client MUST NOT include the Upload-Length header".
 */
export function readCreation(request: FastifyRequest): CreationHeaders {
  const sentMetadata = header(request, "upload-metadata");
  const sentConcat = header(request, "upload-concat");
  const described = describe(sentMetadata);
  const concat = parseConcat(sentConcat);
  const length = readLength(request);
  const deferred = readDefer(request);
  const body = hasBody(request) ? readBody(request) : undefined;
  if (body) requireOffsetType(request);
  if (concat?.kind === "final") {
    if (length !== undefined || deferred) throw wrong("A final upload has the length of its partials; leave Upload-Length out.");
    if (body) throw wrong("A final upload takes no bytes of its own.");
    return { described, sentMetadata, sentConcat, asked: concat, body };
  }
  if (length === undefined && !deferred) throw wrong("Say how long the upload is: Upload-Length, or Upload-Defer-Length: 1.");
  if (length !== undefined && deferred) throw wrong("Upload-Length and Upload-Defer-Length exclude each other.");
  if (length !== undefined && (body?.contentLength ?? 0) > length) {
    throw new Problem("file_too_large", `The body has more bytes than Upload-Length says (${length}).`);
  }
  return { described, sentMetadata, sentConcat, asked: { kind: concat?.kind ?? "single", length }, body };
}

function readBody(request: FastifyRequest): Pick<PatchHeaders, "contentLength" | "checksum"> {
  const length = request.headers["content-length"];
  const checksum = header(request, "upload-checksum");
  return {
    contentLength: length === undefined ? undefined : Number(length),
    checksum: checksum === undefined ? undefined : parseChecksum(checksum),
  };
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function requireOffsetType(request: FastifyRequest): void {
  const [type] = (request.headers["content-type"] ?? "").split(";");
  if (type?.trim().toLowerCase() === OFFSET_MEDIA_TYPE) return;
  throw new Problem("type_not_allowed", `Bytes of an upload come with Content-Type: ${OFFSET_MEDIA_TYPE}.`);
}

function readLength(request: FastifyRequest): number | undefined {
  const length = header(request, "upload-length");
  return length === undefined ? undefined : parseBytes("Upload-Length", length);
}

/** "If the Upload-Defer-Length header contains any other value than 1 the server should return a 400 Bad Request status." */
function readDefer(request: FastifyRequest): boolean {
  const defer = header(request, "upload-defer-length");
  if (defer !== undefined && defer !== "1") throw wrong("Upload-Defer-Length must be 1, or left out.");
  return defer === "1";
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

function wrong(detail: string): Problem {
  return new Problem("validation_failed", detail);
}
