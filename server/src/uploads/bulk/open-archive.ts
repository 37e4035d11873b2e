import { Problem } from "../../errors.ts";
import type { OpenArchive } from "./archive-entry.ts";
import { tarEntries } from "./tar-entries.ts";
import { unpack, type Packing } from "./unpack.ts";
import { openSpooledZip, type SpoolOptions } from "./zip-entries.ts";

/** As much as tells what it is: the first header of a tar. */
const HEAD_BYTES = 512;
const TAR_MAGIC_AT = 257;
const ZIP_STARTS = ["504b0304", "504b0506"];

/**
 * Opens a tar (plain, gzip or zstd) or a zip by its first bytes, whatever the request calls it. A tar is read as it comes.
 * A zip says only at its end what it holds, so it is first taken in whole, onto the disk. `close` gives that back.
 *
 * Throws Problem `type_not_allowed` for anything else, what openSpooledZip throws, or what `body` throws.
 */
export async function openArchive(
  body: AsyncIterable<Buffer>,
  spool: SpoolOptions,
): Promise<OpenArchive & { readonly close: () => Promise<void> }> {
  const counter = countBytes(body);
  const { head, whole } = await peek(counter.bytes);
  if (ZIP_STARTS.includes(head.toString("hex", 0, 4))) return await openSpooledZip(whole, spool);
  const packing = packingOf(head);
  if (packing !== undefined) return { entries: tarEntries(unpack(whole, packing)), packedBytes: counter.count, close };
  if (isTar(head)) return { entries: tarEntries(whole), packedBytes: counter.count, close };
  throw new Problem("type_not_allowed", "The body is no tar (plain, gzip or zstd) and no zip. Send one of these.");
}

async function close(): Promise<void> {}

function packingOf(head: Buffer): Packing | undefined {
  if (head.toString("hex", 0, 2) === "1f8b") return "gzip";
  return head.toString("hex", 0, 4) === "28b52ffd" ? "zstd" : undefined;
}

/** An empty tar is zeros alone. */
function isTar(head: Buffer): boolean {
  if (head.length < HEAD_BYTES) return false;
  return head.toString("latin1", TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === "ustar" || head.every((byte) => byte === 0);
}

function countBytes(body: AsyncIterable<Buffer>): { bytes: AsyncGenerator<Buffer>; count: () => number } {
  let total = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      total += chunk.length;
      yield chunk;
    }
  }
  return { bytes: counted(), count: () => total };
}

async function peek(source: AsyncGenerator<Buffer>): Promise<{ head: Buffer; whole: AsyncGenerator<Buffer> }> {
  const start: Buffer[] = [];
  let bytes = 0;
  while (bytes < HEAD_BYTES) {
    const { done, value } = await source.next();
    if (done === true) break;
    start.push(value);
    bytes += value.length;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield* start;
    yield* source;
  }
  return { head: Buffer.concat(start).subarray(0, HEAD_BYTES), whole: whole() };
}
