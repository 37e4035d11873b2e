import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { StorageError } from "../../errors.ts";
import type { PutOptions } from "../object-store.ts";
import { SURELY_THERE } from "../remote/doubt.ts";
import { cutIntoParts, type Part } from "../remote/parts.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { blobAt, tierOption, WRITE_ID, type Container } from "./container.ts";
import { deleteBlob } from "./delete.ts";
import { headBlob } from "./head.ts";

/** As in S3: one part may still be on its way while the next one is gathered. */
const PARTS_UNDER_WAY = 1;

/**
 * Stores a stream of any length: as one request up to the size of a part, else as blocks that a list makes into one blob.
 * Azure checks the MD5 of each request; `If-None-Match: *` on the request that makes the blob refuses a key that is taken.
 * Blocks that no list names vanish after a week, or by tidy.
 */
export async function putBlob(container: Container, key: string, content: Readable, options: PutOptions): Promise<{ sizeBytes: number }> {
  const writing: Writing = { container, key, options, writeId: randomUUID(), mayExist: false, held: new Set() };
  let sizeBytes = 0;
  try {
    await pipeline(
      content,
      async (source: AsyncIterable<Buffer>) => {
        sizeBytes = await putParts(writing, cutIntoParts(source, { holders: container.holders, release: options.release }));
      },
      options.signal === undefined ? {} : { signal: options.signal },
    );
    return { sizeBytes };
  } catch (error) {
    // A server that is away would let the caller wait for nothing.
    const isAway = error instanceof StorageError && error.code === "unavailable";
    const removal = removeRemains(writing);
    if (!isAway) await removal;
    throw error;
  } finally {
    for (const part of writing.held) await part.drop();
  }
}

interface Writing {
  readonly container: Container;
  readonly key: string;
  readonly options: PutOptions;
  readonly writeId: string;
  /** Parts that are not confirmed yet. */
  readonly held: Set<Part>;
  /** A request was sent that may have made the blob. */
  mayExist: boolean;
}

async function putParts(writing: Writing, parts: AsyncGenerator<Part>): Promise<number> {
  const sent: Promise<void>[] = [];
  let sizeBytes = 0;
  for await (const part of parts) {
    writing.held.add(part);
    sizeBytes += part.sizeBytes;
    if (part.isLast && sent.length === 0) {
      await putWhole(writing, part);
      return sizeBytes;
    }
    await sent[sent.length - PARTS_UNDER_WAY];
    const sending = stagePart(writing, part, sent.length);
    sending.catch(() => undefined); // Thrown where it is awaited.
    sent.push(sending);
  }
  await Promise.all(sent);
  await commitBlocks(writing, { blocks: sent.length, sizeBytes });
  return sizeBytes;
}

async function putWhole(writing: Writing, part: Part): Promise<void> {
  const { container, key, writeId, options } = writing;
  await make(writing, part.sizeBytes, async (signal) => {
    const answer = await blobAt(container, key).upload(part.body(), part.sizeBytes, {
      abortSignal: signal,
      conditions: { ifNoneMatch: "*" },
      metadata: { [WRITE_ID]: writeId },
      transactionalContentMD5: part.md5,
      ...tierOption(options.storageClass),
    });
    checkMd5(answer.contentMD5, part.md5);
  });
  await letGo(writing, part);
}

async function stagePart(writing: Writing, part: Part, number: number): Promise<void> {
  const { container, key, options } = writing;
  await container.guard.run(
    `put block ${number} of ${key}`,
    async (signal) => {
      const answer = await blobAt(container, key).stageBlock(blockId(writing, number), part.body(), part.sizeBytes, {
        abortSignal: signal,
        transactionalContentMD5: part.md5,
      });
      checkMd5(answer.contentMD5, part.md5);
    },
    { signal: options.signal, sizeBytes: part.sizeBytes },
  );
  await letGo(writing, part);
}

async function commitBlocks(writing: Writing, { blocks, sizeBytes }: { blocks: number; sizeBytes: number }): Promise<void> {
  const { container, key, writeId, options } = writing;
  const ids = Array.from({ length: blocks }, (_unused, number) => blockId(writing, number));
  await make(writing, sizeBytes, async (signal) => {
    await blobAt(container, key).commitBlockList(ids, {
      abortSignal: signal,
      conditions: { ifNoneMatch: "*" },
      metadata: { [WRITE_ID]: writeId },
      ...tierOption(options.storageClass),
    });
  });
  const found = await headBlob(container, key, { doubt: SURELY_THERE, signal: options.signal });
  if (found?.writeId === writeId && found.sizeBytes === sizeBytes) return;
  const text = `${container.name}: put ${key}: the store has ${found?.sizeBytes ?? "no"} bytes where ${sizeBytes} were sent`;
  throw new StorageError("unavailable", text);
}

/** Runs the request that makes the blob. Where an earlier try's answer was lost, it is our own blob that takes the key. */
async function make(writing: Writing, sizeBytes: number, request: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { container, key, writeId, options } = writing;
  writing.mayExist = true;
  try {
    await container.guard.run(`put ${key}`, request, { signal: options.signal, sizeBytes });
  } catch (error) {
    if (!(error instanceof StorageError && error.code === "exists")) throw error;
    const found = await headBlob(container, key, { doubt: SURELY_THERE, signal: options.signal });
    if (found?.writeId === writeId && found.sizeBytes === sizeBytes) return;
    writing.mayExist = false;
    throw error;
  }
}

async function letGo({ held }: Writing, part: Part): Promise<void> {
  held.delete(part);
  await part.free();
}

/** All of a blob must be equally long; the write's id keeps apart what two writers stage for one key. */
function blockId({ writeId }: Writing, number: number): string {
  return Buffer.from(`${writeId}-${String(number).padStart(6, "0")}`).toString("base64");
}

/** Azure tells what it has; Azurite does so of whole blobs only. What arrives is checked there, against the MD5 in the request. */
function checkMd5(told: Uint8Array | undefined, md5: Buffer): void {
  if (told !== undefined && !md5.equals(told)) throw new WrongAnswer("the store has another MD5 than what was sent");
}

/** What a failed put may have left, as far as it can be had now; what can't, tidy and garbage collection find. */
async function removeRemains({ container, key, writeId, mayExist }: Writing): Promise<void> {
  try {
    if (!mayExist || (await headBlob(container, key, { doubt: 0 }))?.writeId !== writeId) return;
    await deleteBlob(container, key);
  } catch {
    // The put's own error is what matters.
  }
}
