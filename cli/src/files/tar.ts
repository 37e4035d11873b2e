import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { CliError, EXIT } from "../exit.ts";
import type { LocalFile } from "./paths.ts";

const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
/** What 11 octal digits hold; larger sizes stand in the extended header. */
const MAX_SIZE = 8 ** 11 - 1;
/** Read in one go: a stream for each file of 1 KiB would cost more than all else about it. */
const SMALL_BYTES = 64 * 1_024;

/**
 * The files as a tar (POSIX.1-2001, pax), made as they are read, in their order. The same files give the same bytes again,
 * as a second try needs: times and owners are left out. `onBytes` is told of what has left the disk. Fails with CliError
 * where a file does not have the size any more that it had.
 */
export async function* tarOf(files: readonly LocalFile[], onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const file of files) {
    yield headerOf(file);
    let bytes = 0;
    for await (const chunk of contentOf(file)) {
      bytes += chunk.length;
      if (bytes > file.sizeBytes) break;
      onBytes(chunk.length);
      yield chunk;
    }
    if (bytes !== file.sizeBytes) throw new CliError(`${file.path}: was changed while it was sent; try again.`, EXIT.failure);
    if (bytes % BLOCK_BYTES > 0) yield new Uint8Array(BLOCK_BYTES - (bytes % BLOCK_BYTES));
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

async function* contentOf({ path, sizeBytes }: LocalFile): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (sizeBytes > SMALL_BYTES) yield* createReadStream(path, { highWaterMark: 4 * SMALL_BYTES });
  else yield await readFile(path);
}

/** An extended header in front where the plain one has no room, or no letters, for the name or the size. */
function headerOf({ name, sizeBytes }: LocalFile): Uint8Array<ArrayBuffer> {
  // oxlint-disable-next-line no-control-regex -- ASCII is what is meant
  const isPlain = /^[\x20-\x7e]*$/.test(name) && name.length <= MAX_NAME_BYTES && sizeBytes <= MAX_SIZE;
  if (isPlain) return block({ name, sizeBytes, type: "0" });
  const records = Buffer.from(paxRecord("path", name) + paxRecord("size", String(sizeBytes)));
  const padding = Buffer.alloc((BLOCK_BYTES - (records.length % BLOCK_BYTES)) % BLOCK_BYTES);
  const plain = block({ name: "long", sizeBytes: Math.min(sizeBytes, MAX_SIZE), type: "0" });
  return Buffer.concat([block({ name: "pax", sizeBytes: records.length, type: "x" }), records, padding, plain]);
}

function block({ name, sizeBytes, type }: { name: string; sizeBytes: number; type: "0" | "x" }): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, "latin1");
  header.write(`0000644\0${"0000000\0".repeat(2)}`, 100, "latin1");
  // The checksum is counted as if it were spaces.
  header.write(`${sizeBytes.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        ${type}`, 124, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const guess = bytes + String(bytes).length;
  return `${bytes + String(guess).length}${rest}`;
}
