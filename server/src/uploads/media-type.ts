import { fileTypeFromBuffer } from "file-type";
import { mayHaveSignature } from "./signatures.ts";
import { looksLikeText, textMediaType } from "./text-media-type.ts";

/** As much of the start of a file as detection gets to see. */
export const HEAD_BYTES = 64 * 1_024;

/** A file of zero bytes has no type; libmagic has this name for it. */
const EMPTY = "application/x-empty";

const UNKNOWN = "application/octet-stream";

/** file-type's names where another is registered at IANA or used by the processors. */
const RENAMED: Readonly<Record<string, string>> = {
  "application/x-parquet": "application/vnd.apache.parquet",
};

/**
 * The media type of a file from its first bytes; its name only decides between kinds of text that the same bytes may be
 * (one column of words is a CSV or a plain text). `complete` says that `head` is the whole content.
 *
 * Text is looked for first: signatures of two letters ("BM" is a bitmap, "MZ" a program) are also how texts start.
 */
export async function detectMediaType(file: { head: Buffer; complete: boolean; name: string }): Promise<string> {
  if (file.head.length === 0) return EMPTY;
  if (looksLikeText(file.head)) return textMediaType(file);
  if (!mayHaveSignature(file.head)) return UNKNOWN;
  const found = await fileTypeFromBuffer(file.head).catch(() => undefined);
  if (found === undefined) return UNKNOWN;
  return RENAMED[found.mime] ?? found.mime;
}
