import { createCipheriv, type CipherGCM } from "node:crypto";
import { freeChunk } from "../../free-chunk.ts";
import { takeRandom } from "../keys/take-random.ts";
import { CHUNK_BYTES, MESSAGE_HEAD_BYTES, messageBytes, SALT_BYTES, TAG_BYTES } from "./layout.ts";
import { chunkNonce, CIPHER, deriveMessageKey } from "./message-key.ts";
import { encodePrefix, type ObjectName } from "./prefix.ts";

export interface Sealing {
  readonly name: ObjectName;
  /** A key that was made for this message and seals no other. */
  readonly dek: Buffer;
}

export interface StreamSealing extends Sealing {
  /** Given every chunk of the content once it is sealed. */
  readonly release?: ((chunk: Buffer) => void) | undefined;
  /** Told the size of the content when all of it is sealed. */
  readonly onEnd: (sizeBytes: number) => void;
}

/** Chunks that go on together: a call for each would cost more than its encryption. */
const BATCH_CHUNKS = 16;
const BATCH_BYTES = BATCH_CHUNKS * (CHUNK_BYTES + TAG_BYTES);

/** Seals content that is in memory already. */
export function sealBytes(content: Buffer, sealing: Sealing): Buffer {
  const { head, sealer } = begin(sealing);
  const sealed = Buffer.allocUnsafe(head.length + messageBytes(content.length) - MESSAGE_HEAD_BYTES);
  head.copy(sealed);
  const target = { bytes: sealed, filled: head.length };
  sealer.add(content, target);
  sealer.end(target);
  return sealed;
}

/** The sealed object as a stream of batches, each with memory of its own, which whoever takes them may free. */
export async function* seal(content: AsyncIterable<Buffer>, { release, onEnd, ...sealing }: StreamSealing): AsyncGenerator<Buffer> {
  const { head, sealer } = begin(sealing);
  yield head;
  let target = emptyBatch();
  let sizeBytes = 0;
  for await (const chunk of content) {
    sizeBytes += chunk.length;
    for (let rest = chunk; rest.length > 0;) {
      rest = sealer.add(rest, target);
      if (target.filled === BATCH_BYTES) {
        yield target.bytes;
        target = emptyBatch();
      }
    }
    release?.(chunk);
  }
  sealer.end(target);
  onEnd(sizeBytes);
  // Shrunk in place: of a small object most of the batch is not used.
  yield Buffer.from(target.bytes.buffer.transfer(target.filled));
}

interface Target {
  readonly bytes: Buffer<ArrayBuffer>;
  filled: number;
}

function emptyBatch(): Target {
  return { bytes: Buffer.allocUnsafeSlow(BATCH_BYTES), filled: 0 };
}

function begin({ name, dek }: Sealing) {
  const prefix = encodePrefix(name);
  const salt = takeRandom(SALT_BYTES);
  const messageKey = deriveMessageKey(dek, { salt, prefix });
  let index = 0;
  let cipher: CipherGCM | undefined;
  let sealedOfChunk = 0;

  function current(): CipherGCM {
    cipher ??= createCipheriv(CIPHER, messageKey.key, chunkNonce(messageKey, index));
    return cipher;
  }

  function endChunk(target: Target): void {
    const ending = current();
    ending.final();
    target.filled += ending.getAuthTag().copy(target.bytes, target.filled);
    cipher = undefined;
    sealedOfChunk = 0;
    index += 1;
  }

  return {
    head: Buffer.concat([prefix, salt, messageKey.commitment]),
    sealer: {
      /** Seals as much as there is room for in `target`, which holds whole chunks with their tags; gives the rest. */
      add(content: Buffer, target: Target): Buffer {
        let rest = content;
        while (rest.length > 0 && target.filled < target.bytes.length) {
          const taken = rest.subarray(0, CHUNK_BYTES - sealedOfChunk);
          const sealed = current().update(taken);
          target.filled += sealed.copy(target.bytes, target.filled);
          freeChunk(sealed);
          sealedOfChunk += taken.length;
          rest = rest.subarray(taken.length);
          if (sealedOfChunk === CHUNK_BYTES) endChunk(target);
        }
        return rest;
      },
      /** The last chunk: what is there of it, perhaps nothing. */
      end: endChunk,
    },
  };
}
