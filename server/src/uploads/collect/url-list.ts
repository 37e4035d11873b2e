import type { Readable } from "node:stream";
import { MAX_URL_LENGTH } from "@filemill/contract/source.ts";
import { SourceError } from "../../jobs/sources/source.ts";

export interface UrlLine {
  readonly url: string;
  /** Offset behind the line in the file, where reading can go on. */
  readonly end: number;
}

const NEWLINE = 0x0a;

/**
 * The URLs of a text with one a line, which begins at byte `start` of its file: empty lines and those that begin with #
 * are passed over, a byte order mark too. Holds one chunk and the beginning of one line. Throws SourceError where a line is longer than any URL.
 */
export async function* readUrlList(content: Readable, { start, signal }: { start: number; signal: AbortSignal }): AsyncGenerator<UrlLine> {
  let rest = Buffer.alloc(0);
  let end = start;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    let buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let newline = buffer.indexOf(NEWLINE); newline >= 0; newline = buffer.indexOf(NEWLINE)) {
      end += newline + 1;
      const url = urlOf(buffer.subarray(0, newline));
      if (url !== undefined) yield { url, end };
      buffer = buffer.subarray(newline + 1);
    }
    if (buffer.length > MAX_LINE) throw tooLong();
    rest = Buffer.from(buffer);
  }
  const last = urlOf(rest);
  if (last !== undefined) yield { url: last, end: end + rest.length };
}

const MAX_LINE = 4 * MAX_URL_LENGTH;

function urlOf(line: Buffer): string | undefined {
  if (line.length > MAX_LINE) throw tooLong();
  const text = line.toString().replaceAll("\0", "�").trim();
  if (text === "" || text.startsWith("#")) return undefined;
  if (text.length > MAX_URL_LENGTH) throw tooLong();
  return text;
}

function tooLong(): SourceError {
  const message = `The list has a line of more than ${MAX_URL_LENGTH} characters; it must be a text with one URL a line.`;
  return new SourceError("limit_exceeded", "bad_input", message);
}
