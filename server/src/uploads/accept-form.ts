import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { ExpiresAt, Metadata } from "@filemill/contract/files.ts";
import { isStorable, StorableObject } from "@filemill/contract/text.ts";
import { z } from "zod";
import { Problem } from "../errors.ts";
import type { PipelineRequest } from "../jobs/pipelines/resolve.ts";
import { parseJson } from "../parse-json.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { AllowedTypes } from "./allowed-types.ts";
import { discardFiles } from "./commit.ts";
import type { DigestClaims } from "./digest-fields.ts";
import { freeChunk } from "../free-chunk.ts";
import { readMultipart, type MultipartForm } from "./multipart.ts";
import { receiveFile } from "./receive.ts";
import type { StoredFile } from "../record/files.ts";
import type { Reservation } from "../tenants/quota-reservation.ts";

export interface FormUpload {
  readonly tenantId: string;
  readonly headers: IncomingHttpHeaders;
  readonly maxFileBytes: number;
  readonly maxFilesPerRequest: number;
  readonly allowedTypes?: AllowedTypes;
  /** Of the whole form. */
  readonly digests?: DigestClaims | undefined;
  /** Room for the files, taken as their bytes come. */
  readonly reservation?: Reservation;
}

export interface AcceptedForm {
  /** In the order of the body. */
  readonly files: readonly StoredFile[];
  readonly metadata: Metadata;
  readonly pipeline?: PipelineRequest;
}

/**
 * Takes a whole form of `file` parts and the fields `pipeline`, `params`, `metadata` and `expires_at`, in any order. The memory of the
 * body's chunks is freed on the way, so that nobody else may hold them. When it resolves, all bytes are durable and
 * nothing is recorded yet; when it rejects, nothing is left. Throws as readMultipart and receiveFile do, and Problem
 * `validation_failed` where a field does not say what it should.
 */
export async function acceptForm(body: Readable, contents: ContentStore, upload: FormUpload): Promise<AcceptedForm> {
  const files: StoredFile[] = [];
  try {
    const form = await readMultipart(body, {
      headers: upload.headers,
      fieldNames: ["pipeline", "params", "metadata", "expires_at"],
      maxFiles: upload.maxFilesPerRequest,
      maxFileBytes: upload.maxFileBytes,
      digests: upload.digests,
      onFile: async (content, { name, digests }) => {
        const { tenantId, maxFileBytes: maxBytes, allowedTypes, reservation } = upload;
        const part = { contents, tenantId, name, metadata: {}, maxBytes, allowedTypes, release: freeChunk };
        files.push(await receiveFile(content, { ...part, ...(digests && { digests }), ...(reservation && { reservation }) }));
      },
    });
    if (files.length === 0) throw new Problem("validation_failed", 'The form holds no file; add at least one part named "file".');
    const metadata = readField(form, "metadata", Metadata) ?? {};
    const pipeline = readPipeline(form);
    const expires = readExpiry(form);
    return { files: files.map((file) => ({ ...file, ...expires, metadata })), metadata, ...(pipeline && { pipeline }) };
  } catch (error) {
    await discardFiles(contents, files);
    throw error;
  }
}

function readPipeline(form: MultipartForm): PipelineRequest | undefined {
  const text = form.fields.get("pipeline")?.trim();
  const params = readField(form, "params", StorableObject);
  if (text === undefined) {
    if (params !== undefined) throw wrong("params", "needs a pipeline beside it");
    return undefined;
  }
  if (!isStorable(text)) throw wrong("pipeline", "must not hold NUL");
  // What is wrong with a document is for the linter to say, which says more than a schema can.
  const pipeline = text.startsWith("{") ? readField(form, "pipeline", z.record(z.string(), z.unknown())) : text;
  return pipeline === undefined ? undefined : { pipeline, params };
}

function readExpiry(form: MultipartForm): { expiresAt?: Date } {
  const text = form.fields.get("expires_at");
  if (text === undefined) return {};
  const parsed = ExpiresAt.safeParse(text.trim());
  if (!parsed.success) throw wrong("expires_at", "must be a time to come, such as 2027-01-31T00:00:00Z");
  return { expiresAt: new Date(parsed.data) };
}

function readField<T>(form: MultipartForm, name: string, schema: z.ZodType<T>): T | undefined {
  const text = form.fields.get(name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw wrong(name, `can't be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({
    pointer: ["", name, ...path].map(String).map(escapePointer).join("/"),
    message,
  }));
  throw new Problem("validation_failed", `The field "${name}" is not valid; see issues.`, { issues });
}

function wrong(name: string, message: string): Problem {
  return new Problem("validation_failed", `The field "${name}" ${message}.`, { issues: [{ pointer: `/${name}`, message }] });
}

/** RFC 6901 §3. */
function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}
