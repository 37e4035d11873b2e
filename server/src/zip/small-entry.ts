import { crc32, deflateRawSync } from "node:zlib";
import { centralHeader, localHeader } from "./zip-records.ts";

/** Up to here a file is packed at once: streams of its own would cost more than all else about a small file. */
export const SMALL_BYTES = 64 * 1024;

export interface SmallFile {
  /** As it will stand in the archive. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly compress: boolean;
  /** Where the entry begins. */
  readonly offset: number;
}

/** An entry with its sizes in front: what goes into the archive at `offset`, and its record of the list at the end. */
export function smallEntry({ name, bytes, compress, offset }: SmallFile): { parts: readonly [Buffer, Buffer]; record: Buffer } {
  const deflated = compress ? deflateSmall(bytes) : bytes;
  const packed = deflated.length < bytes.length ? deflated : bytes;
  const entry = { name: Buffer.from(name), deflated: packed !== bytes, isLarge: false, sizesFollow: false, offset };
  const content = { crc32: crc32(bytes), packedBytes: packed.length, bytes: bytes.length };
  return { parts: [localHeader(entry, content), packed], record: centralHeader(entry, content) };
}

/**
 * With memory after the size of the content: by default each call takes 256 KiB and answers in a buffer of 16 KiB, and of
 * 70,000 small files the garbage grew to 1.5 GB before it was collected.
 */
function deflateSmall(bytes: Buffer): Buffer {
  const windowBits = Math.min(15, Math.max(9, Math.ceil(Math.log2(bytes.length + 1))));
  return deflateRawSync(bytes, { windowBits, memLevel: Math.min(8, windowBits - 7), chunkSize: bytes.length + 64 });
}
