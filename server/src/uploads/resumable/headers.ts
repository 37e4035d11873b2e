import { ExpiresAt, Metadata } from "@filemill/contract/files.ts";
import { decodeId } from "@filemill/contract/ids.ts";
import { isStorable, StorableObject } from "@filemill/contract/text.ts";
import { z } from "zod";
import { Problem } from "../../errors.ts";
import type { PipelineRequest } from "../../jobs/pipelines/resolve.ts";
import { parseJson } from "../../parse-json.ts";
import { fileName } from "../file-name.ts";

/** What Upload-Metadata says, in our words. */
export interface Described {
  readonly name: string;
  readonly metadata: Metadata;
  /** When the file is to end by itself. */
  readonly expiresAt?: Date;
  readonly pipeline?: PipelineRequest;
}

const UNNAMED = "upload";
/** Printable ASCII but for space and comma: "The key MUST NOT contain spaces and commas and MUST NOT be empty." */
const KEY = /^[!-+\--~]{1,128}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const INTEGER = /^\d{1,16}$/;

/** "The value MUST be a non-negative integer." Throws Problem `validation_failed`; `name` is the header's. */
export function parseBytes(name: string, header: string): number {
  const value = Number(header);
  if (!INTEGER.test(header) || !Number.isSafeInteger(value)) throw wrong(name, "must be a whole number of bytes, 0 or more");
  return value;
}

/**
 * The keys `filename` (else `name`), `expires_at`, `pipeline` (a name or a document), `params` (JSON) and `metadata` (JSON)
 * mean something here, and `filetype` and `type` are left out, because the type is told from the content. Every other key is metadata of
 * the file. Throws Problem `validation_failed`.
 */
export function describe(header: string | undefined): Described {
  const pairs = parsePairs(header);
  const named = pairs.get("filename") ?? pairs.get("name");
  const metadata = metadataOf(pairs);
  const pipeline = pipelineOf(pairs);
  const expiresAt = expiryOf(pairs);
  return { name: named ? fileName(named) : UNNAMED, metadata, ...(expiresAt && { expiresAt }), ...(pipeline && { pipeline }) };
}

/** "…one or more comma-separated key-value pairs. The key and value MUST be separated by a space." */
export function parsePairs(header: string | undefined): Map<string, string> {
  const pairs = new Map<string, string>();
  if (header === undefined || header.trim() === "") return pairs;
  for (const pair of header.split(",")) {
    const [key = "", value = "", ...more] = pair.trim().split(" ");
    if (!KEY.test(key)) throw wrong("Upload-Metadata", `has ${JSON.stringify(key)}, which is no key: printable ASCII, 1–128 characters`);
    if (key === "__proto__") throw wrong("Upload-Metadata", 'must not have the key "__proto__"');
    if (more.length > 0 || !BASE64.test(value)) throw wrong("Upload-Metadata", `has a value of "${key}" that is not Base64`);
    if (pairs.has(key)) throw wrong("Upload-Metadata", `has the key "${key}" twice`);
    pairs.set(key, textOf(key, Buffer.from(value, "base64")));
  }
  return pairs;
}

export type Concat = { readonly kind: "partial" } | { readonly kind: "final"; readonly partials: readonly string[] };

/**
 * The header Upload-Concat; ids of the partials in their order. An id that can't be one of ours is given as the empty
 * text, so that it answers as an absent one. Throws Problem `validation_failed`.
 */
export function parseConcat(header: string | undefined): Concat | undefined {
  if (header === undefined) return undefined;
  if (header === "partial") return { kind: "partial" };
  const [, list] = /^final;\s*(\S.*)$/.exec(header) ?? [];
  if (list === undefined) throw wrong("Upload-Concat", 'must be "partial", or "final;" and the URLs of partial uploads');
  return { kind: "final", partials: list.trim().split(/ +/).map(uploadIdIn) };
}

/** "The partial uploads URLs MAY be absolute or relative." */
function uploadIdIn(url: string): string {
  const [, id] = /^(?:https?:\/\/[^/?#]+)?(?:[^?#]*\/)?uploads\/(upl_[0-9a-z]{26})\/?$/.exec(url) ?? [];
  return (id && decodeId("upload", id)) ?? "";
}

const INTERPRETED: ReadonlySet<string> = new Set(["filename", "filetype", "type", "expires_at", "pipeline", "params", "metadata"]);

function metadataOf(pairs: ReadonlyMap<string, string>): Metadata {
  const nameTaken = pairs.has("filename") || pairs.has("name");
  const plain = [...pairs].filter(([key]) => !INTERPRETED.has(key) && !(key === "name" && nameTaken));
  const document = jsonIn(pairs, "metadata", z.record(z.string(), z.string())) ?? {};
  const parsed = Metadata.safeParse({ ...Object.fromEntries(plain), ...document });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ pointer: `/headers/upload-metadata/${path.join("/")}`, message }));
  throw new Problem("validation_failed", "The metadata in Upload-Metadata is not valid; see issues.", { issues });
}

function expiryOf(pairs: ReadonlyMap<string, string>): Date | undefined {
  const text = pairs.get("expires_at")?.trim();
  if (text === undefined || text === "") return undefined;
  const parsed = ExpiresAt.safeParse(text);
  if (!parsed.success) throw wrong("Upload-Metadata", 'has an "expires_at" that is no time to come, such as 2027-01-31T00:00:00Z');
  return new Date(parsed.data);
}

function pipelineOf(pairs: ReadonlyMap<string, string>): PipelineRequest | undefined {
  const text = pairs.get("pipeline")?.trim();
  const params = jsonIn(pairs, "params", StorableObject);
  if (text === undefined || text === "") {
    if (params !== undefined) throw wrong("Upload-Metadata", 'has "params" without a "pipeline"');
    return undefined;
  }
  const pipeline = text.startsWith("{") ? jsonIn(pairs, "pipeline", z.record(z.string(), z.unknown())) : text;
  return pipeline === undefined ? undefined : { pipeline, params };
}

function jsonIn<T>(pairs: ReadonlyMap<string, string>, key: string, schema: z.ZodType<T>): T | undefined {
  const text = pairs.get(key);
  if (text === undefined) return undefined;
  try {
    return schema.parse(parseJson(text));
  } catch {
    throw wrong("Upload-Metadata", `has a value of "${key}" that is not the JSON object that is expected there`);
  }
}

/** "Since metadata can contain arbitrary binary values, Servers SHOULD carefully validate metadata values." */
function textOf(key: string, value: Buffer): string {
  const text = value.toString("utf8");
  if (!isStorable(text) || !Buffer.from(text).equals(value))
    throw wrong("Upload-Metadata", `has a value of "${key}" that is not UTF-8 text without NUL`);
  return text;
}

function wrong(name: string, what: string): Problem {
  return new Problem("validation_failed", `The header ${name} ${what}.`, {
    issues: [{ pointer: `/headers/${name.toLowerCase()}`, message: what }],
  });
}
