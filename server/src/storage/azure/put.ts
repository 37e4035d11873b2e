import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import type { PutOptions } from "../object-store.ts";
import { SURELY_THERE } from "../remote/doubt.ts";
import { putInParts, type PartWriter } from "../remote/put-in-parts.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { blobAt, tierOption, WRITE_ID, type Container } from "./container.ts";
import { deleteBlob } from "./delete.ts";
import { headBlob } from "./head.ts";

/**
 * Stores a stream as one request, or as blocks that a list makes into one blob. Azure checks the MD5 of each request;
 * `If-None-Match: *` on the request that makes the blob refuses a key that is taken. Blocks that no list names vanish after a
 * week, or by tidy.
 */
export async function putBlob(container: Container, key: string, content: Readable, options: PutOptions): Promise<{ sizeBytes: number }> {
  return await putInParts(content, { ...options, holders: container.holders, writer: openWriter(container, key, options) });
}

function openWriter(container: Container, key: string, { storageClass }: PutOptions): PartWriter {
  const { guard } = container;
  const blob = blobAt(container, key);
  const writeId = randomUUID();
  const made = { conditions: { ifNoneMatch: "*" }, metadata: { [WRITE_ID]: writeId }, ...tierOption(storageClass) };

  return {
    what: `${container.name}: put ${key}`,
    async putWhole(part, signal) {
      const send = async (abortSignal: AbortSignal) => {
        const options = { ...made, abortSignal, transactionalContentMD5: part.md5 };
        checkMd5((await blob.upload(part.body(), part.sizeBytes, options)).contentMD5, part.md5);
      };
      await guard.run(`put ${key}`, send, { signal, sizeBytes: part.sizeBytes });
    },
    async begin() {}, // Blocks need no announcement.
    async putPart(part, { number, signal }) {
      const send = async (abortSignal: AbortSignal) => {
        const options = { abortSignal, transactionalContentMD5: part.md5 };
        checkMd5((await blob.stageBlock(blockId(writeId, number), part.body(), part.sizeBytes, options)).contentMD5, part.md5);
      };
      await guard.run(`put block ${number} of ${key}`, send, { signal, sizeBytes: part.sizeBytes });
    },
    async complete({ count, sizeBytes }, signal) {
      const ids = Array.from({ length: count }, (_unused, number) => blockId(writeId, number));
      await guard.run(`put ${key}`, (abortSignal) => blob.commitBlockList(ids, { ...made, abortSignal }), { signal, sizeBytes });
    },
    async find(signal) {
      const found = await headBlob(container, key, { doubt: SURELY_THERE, signal });
      return found && { isOurs: found.writeId === writeId, sizeBytes: found.sizeBytes };
    },
    async abandon() {}, // No request drops the blocks of one write.
    remove: () => deleteBlob(container, key),
  };
}

/** All of a blob must be equally long; the write's id keeps apart what two writers stage for one key. */
function blockId(writeId: string, number: number): string {
  return Buffer.from(`${writeId}-${String(number).padStart(6, "0")}`).toString("base64");
}

/** Azure tells what it has; Azurite does so of whole blobs only. What arrives is checked there, against the MD5 in the request. */
function checkMd5(told: Uint8Array | undefined, md5: Buffer): void {
  if (told !== undefined && !md5.equals(told)) throw new WrongAnswer("the store has another MD5 than what was sent");
}
