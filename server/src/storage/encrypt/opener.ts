import { createDecipheriv, type DecipherGCM } from "node:crypto";
import { freeChunk } from "../../free-chunk.ts";
import { chunkBytes, TAG_BYTES } from "./layout.ts";
import { chunkNonce, CIPHER, type MessageKey } from "./message-key.ts";
import { UnsealError } from "./unseal-error.ts";

/** Where opened chunks go. Only whole, checked chunks are counted in `filled`; what lies behind it is nobody's yet. */
export interface OpenedTarget {
  readonly bytes: Buffer;
  filled: number;
}

export interface Opener {
  /** Of the chunk that comes next, or is under way. */
  readonly index: number;
  /**
   * Opens what is there of `sealed`, until `target` is full; gives the rest. A target always ends where a chunk does.
   * Throws UnsealError where a chunk is not what was sealed.
   */
  add(sealed: Buffer, target: OpenedTarget): Buffer;
}

/** Opens the chunks of one message one after the other, from `firstChunk` on, in pieces however they come. */
export function createOpener(messageKey: MessageKey, { sizeBytes, firstChunk }: { sizeBytes: number; firstChunk: number }): Opener {
  let index = firstChunk;
  let decipher: DecipherGCM | undefined;
  let openedOfChunk = 0;
  const tag = Buffer.alloc(TAG_BYTES);
  let tagFilled = 0;

  function current(): DecipherGCM {
    decipher ??= createDecipheriv(CIPHER, messageKey.key, chunkNonce(messageKey, index), { authTagLength: TAG_BYTES });
    return decipher;
  }

  function checkChunk(): void {
    try {
      current().setAuthTag(tag).final();
    } catch {
      throw new UnsealError(`chunk ${index} was changed`);
    }
    decipher = undefined;
    openedOfChunk = 0;
    tagFilled = 0;
    index += 1;
  }

  return {
    get index() {
      return index;
    },
    add(sealed, target) {
      let rest = sealed;
      while (rest.length > 0) {
        const size = chunkBytes(index, sizeBytes);
        const wanted = size - openedOfChunk;
        if (wanted > 0) {
          const opened = current().update(rest.subarray(0, wanted));
          opened.copy(target.bytes, target.filled + openedOfChunk);
          openedOfChunk += opened.length;
          rest = rest.subarray(opened.length);
          freeChunk(opened);
          continue;
        }
        const taken = rest.copy(tag, tagFilled);
        tagFilled += taken;
        rest = rest.subarray(taken);
        if (tagFilled < TAG_BYTES) continue;
        checkChunk();
        target.filled += size;
        if (target.filled === target.bytes.length) return rest;
      }
      return rest;
    },
  };
}
