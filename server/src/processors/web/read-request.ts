import { z } from "zod";
import { parseJson } from "../../parse-json.ts";
import { BadInput } from "../processor.ts";

/** What is to be fetched, as an input of http.fetch says it. */
export interface WebDocument {
  readonly url: string;
  readonly name?: string | undefined;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** What must come. */
  readonly sizeBytes?: number | undefined;
  readonly sha256?: Buffer | undefined;
}

/** More says nothing that fetching needs. */
export const MAX_DOCUMENT_BYTES = 64 * 1024;
const MAX_URL = 8_192;

/**
 * Headers that a document may set. Authorization is not sent on to another host (net/redirect.ts); of names that only one
 * server knows, such as X-Api-Key, nobody could tell that they are secrets.
 */
const HEADERS: ReadonlySet<string> = new Set(["accept", "accept-language", "authorization", "user-agent"]);

/** Further keys are the user's own. */
const Document = z.looseObject({
  url: z.string().min(1).max(MAX_URL),
  name: z.string().min(1).max(1_000).optional(),
  headers: z
    .record(
      z.string().refine((name) => HEADERS.has(name.toLowerCase()), { error: `only ${[...HEADERS].join(", ")} may be set` }),
      // RFC 9110 §5.5: no line ends; what is not ASCII means nothing that servers agree on.
      z
        .string()
        .max(4_096)
        .regex(/^[\t\x20-\x7e]*$/, "must be one line of ASCII"),
    )
    .optional(),
  size: z.int().nonnegative().optional(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, "must be 64 hexadecimal digits")
    .optional(),
});

/** Throws BadInput: `limit_exceeded` where the document is too long, `corrupt` where it is none. */
export function readRequest(content: Buffer, { name, mediaType }: { name: string; mediaType: string }): WebDocument {
  if (content.length > MAX_DOCUMENT_BYTES) {
    throw new BadInput("limit_exceeded", `"${name}" has more than ${MAX_DOCUMENT_BYTES} bytes; a document that names a URL is small.`);
  }
  const text = new TextDecoder().decode(content).trim();
  if (text.startsWith("{") || mediaType === "application/json") return fromJson(text, name);
  // RFC 2483 §5: lines that begin with # are comments.
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const [url = ""] = lines;
  if (lines.length !== 1 || url.length > MAX_URL) {
    throw new BadInput("corrupt", `"${name}" has ${lines.length} lines; http.fetch takes a JSON document with a url, or one URL.`);
  }
  return { url: url.trim(), headers: {} };
}

function fromJson(text: string, name: string): WebDocument {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw new BadInput("corrupt", `"${name}" is no JSON that can be read.`, { cause });
  }
  const document = Document.safeParse(value);
  if (!document.success) {
    const [issue] = document.error.issues;
    const nested = issue?.code === "invalid_key" ? issue.issues[0]?.message : undefined;
    throw new BadInput("corrupt", `"${name}" can't be fetched by: ${issue?.path.join(".") || "document"}: ${nested ?? issue?.message}.`);
  }
  const { url, name: wanted, headers = {}, size, sha256 } = document.data;
  return {
    url,
    name: wanted,
    headers: Object.fromEntries(Object.entries(headers).map(([key, header]) => [key.toLowerCase(), header])),
    sizeBytes: size,
    sha256: sha256 === undefined ? undefined : Buffer.from(sha256, "hex"),
  };
}
