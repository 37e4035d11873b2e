import { createHash, randomBytes } from "node:crypto";

/** So many random-looking bytes, made as they are read, and the hash of all that was read. */
export interface TransferBlocks {
  read(bytes: number): Generator<Buffer>;
  sha256(): string;
}

export function transferBlocks(): TransferBlocks {
  const hash = createHash("sha256");
  const block = randomBytes(1_048_576);
  let blocks = 0;
  return {
    *read(bytes) {
      for (let read = 0; read < bytes; read += block.length) {
        block.writeUInt32BE(blocks++, 0);
        const part = Buffer.from(block.subarray(0, bytes - read));
        hash.update(part);
        yield part;
      }
    },
    sha256: () => hash.digest("hex"),
  };
}
