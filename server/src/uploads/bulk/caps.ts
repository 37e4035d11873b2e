import { Problem } from "../../errors.ts";

export interface BulkLimits {
  readonly maxFileBytes: number;
  /** Entries of any kind in one archive. */
  readonly maxEntries: number;
  /** Of all its files, unpacked. */
  readonly maxTotalBytes: number;
}

/** Unpacked over packed bytes. Honest files of one kind reach 100; deflate itself ends at 1,030. */
const MAX_RATIO = 200;
/** Small archives may be packed as well as they like: the ratio counts above this. Bytes. */
const RATIO_FREE_BYTES = 64 * 2 ** 20;

export interface Caps {
  /** Throws Problem `file_too_large` at one entry too many. */
  entry(): void;
  /** Begins a file. What is given back is told of its bytes as they really come, and throws Problem `file_too_large` at the first one too many. */
  file(name: string): (bytes: number) => void;
}

/** Bounds of one archive, held against what comes out of it and never against what it says of itself. */
export function createCaps(limits: BulkLimits, packedBytes: () => number): Caps {
  let entries = 0;
  let totalBytes = 0;
  const refuse = (what: string) => new Problem("file_too_large", what);
  return {
    entry() {
      if (++entries > limits.maxEntries) throw refuse(`An archive may hold at most ${limits.maxEntries} entries here. Send several.`);
    },
    file(name) {
      let fileBytes = 0;
      return (bytes) => {
        fileBytes += bytes;
        totalBytes += bytes;
        if (fileBytes > limits.maxFileBytes) {
          throw refuse(`"${name}" has more than the ${limits.maxFileBytes} bytes that a file may have here.`);
        }
        if (totalBytes > limits.maxTotalBytes) {
          throw refuse(`The files of an archive may have at most ${limits.maxTotalBytes} bytes together here. Send several archives.`);
        }
        if (totalBytes > RATIO_FREE_BYTES && totalBytes > packedBytes() * MAX_RATIO) {
          throw refuse(`The archive unpacks to more than ${MAX_RATIO} times its size. Send it less packed, or its files one by one.`);
        }
      };
    },
  };
}
