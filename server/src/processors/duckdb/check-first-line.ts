import { open } from "node:fs/promises";
import { BadInput, type InputFile } from "../processor.ts";
import { MAX_LINE_BYTES } from "./table-reader.ts";

/** A table wider than this is none; guessing the types of 100,000 columns takes DuckDB minutes. */
const MAX_COLUMNS = 10_000;
const SEPARATORS = [",", ";", "\t", "|"].map((character) => character.charCodeAt(0));

/**
 * Refuses texts whose first line is too long or too wide to be the head of a table, before DuckDB tries every dialect
 * on it: one line of 20 MB kept it busy for 10 s. Rejects BadInput `corrupt` and `limit_exceeded`.
 */
export async function checkFirstLine(input: InputFile): Promise<void> {
  if (!input.mediaType.startsWith("text/")) return;
  const head = await readHead(input.path);
  const end = head.findIndex((byte) => byte === 0x0a || byte === 0x0d);
  if (end < 0 && head.length > MAX_LINE_BYTES) {
    throw new BadInput("corrupt", `"${input.name}" is no table: its first line is longer than ${MAX_LINE_BYTES} bytes.`);
  }
  const line = end < 0 ? head : head.subarray(0, end);
  const counts = new Map(SEPARATORS.map((separator) => [separator, 0]));
  for (const byte of line) {
    const count = counts.get(byte);
    if (count !== undefined) counts.set(byte, count + 1);
  }
  if (Math.max(...counts.values()) >= MAX_COLUMNS) {
    throw new BadInput("limit_exceeded", `"${input.name}" has more than ${MAX_COLUMNS} columns.`);
  }
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    // Most first lines are short: the large read is for those that are not.
    for (const bytes of [64 * 1024, MAX_LINE_BYTES + 1]) {
      const buffer = Buffer.allocUnsafe(bytes);
      const { bytesRead } = await file.read(buffer, 0, bytes, 0);
      const head = buffer.subarray(0, bytesRead);
      if (bytesRead < bytes || head.includes("\n") || bytes > MAX_LINE_BYTES) return head;
    }
    return Buffer.alloc(0);
  } finally {
    await file.close();
  }
}
