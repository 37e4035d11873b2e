import { createHash } from "node:crypto";

/** One input of a job that generates them: item `ordinal`, from 0, of `count`. */
export interface GeneratedInput {
  readonly ordinal: number;
  readonly count: number;
}

/**
 * A generated input has no row and no stored bytes: all of it follows from its id, so that tasks, trees and retries hold it
 * as they hold files. The id is a UUID of version 8, which is for such formats of one's own (RFC 9562 §5.8): the count in
 * the first 32 bits, the ordinal in the last 48. Files have version 7, so none can be taken for the other.
 */
export function generatedId({ ordinal, count }: GeneratedInput): string {
  return `${count.toString(16).padStart(8, "0")}${MIDDLE}${ordinal.toString(16).padStart(12, "0")}`;
}

/** Undefined for the id of a file. */
export function generatedInput(id: string): GeneratedInput | undefined {
  if (id.slice(8, -12) !== MIDDLE) return undefined;
  return { count: Number.parseInt(id.slice(0, 8), 16), ordinal: Number.parseInt(id.slice(-12), 16) };
}

export interface GeneratedDocument {
  readonly name: string;
  readonly mediaType: string;
  readonly content: Buffer;
  readonly sha256: Buffer;
}

/** What a processor is given for it. */
export function generatedDocument({ ordinal, count }: GeneratedInput): GeneratedDocument {
  const content = Buffer.from(JSON.stringify({ ordinal, count }));
  const sha256 = createHash("sha256").update(content).digest();
  return { name: `${ordinal}.json`, mediaType: "application/json", content, sha256 };
}

const MIDDLE = "-0000-8000-8000-";
