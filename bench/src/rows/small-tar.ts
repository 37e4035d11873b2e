import { randomBytes } from "node:crypto";

const BLOCK = 512;

/** A ustar of `count` files of random bytes, in memory. */
export function tarOf(count: number, sizeBytes: number): Buffer {
  const each = BLOCK + Math.ceil(sizeBytes / BLOCK) * BLOCK;
  const tar = Buffer.alloc(count * each + 2 * BLOCK);
  for (let no = 0; no < count; no++) {
    const at = no * each;
    writeHeader(tar.subarray(at, at + BLOCK), { name: `files/${String(no).padStart(7, "0")}.bin`, sizeBytes });
    randomBytes(sizeBytes).copy(tar, at + BLOCK);
  }
  return tar;
}

function writeHeader(header: Buffer, { name, sizeBytes }: { name: string; sizeBytes: number }): void {
  header.write(name, 0, "latin1");
  header.write("0000644\0" + "0000000\0".repeat(2), 100, "latin1");
  header.write(`${sizeBytes.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        0`, 124, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
