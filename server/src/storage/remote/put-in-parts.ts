import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { StorageError } from "../../errors.ts";
import type { PutOptions } from "../object-store.ts";
import type { PartHolders } from "./part-holders.ts";
import { cutIntoParts, type Part } from "./parts.ts";

/** The requests of one put, of one object. Each is safe to repeat, and gives up when `signal` aborts. */
export interface PartWriter {
  /** Of the store and the object, for errors. */
  readonly what: string;
  /** The content is this one part. Rejects `exists` where the key is taken. */
  putWhole(part: Part, signal: AbortSignal): Promise<void>;
  /** There will be several parts. Rejects `exists` where the key is known to be taken. */
  begin(signal: AbortSignal): Promise<void>;
  /** Numbered from 0. */
  putPart(part: Part, at: { readonly number: number; readonly signal: AbortSignal }): Promise<void>;
  /** Makes one object of all parts. Rejects `exists` where the key is taken; `not_found` where it was done already. */
  complete(sent: SentParts, signal: AbortSignal): Promise<void>;
  /** What is under the key now, which was just written; undefined: nothing, however often it is asked. */
  find(signal: AbortSignal | undefined): Promise<FoundObject | undefined>;
  /** Drops the parts of what was begun and not completed. */
  abandon(): Promise<void>;
  /** Deletes the object. */
  remove(): Promise<void>;
}

export interface SentParts {
  readonly count: number;
  readonly sizeBytes: number;
  /** MD5 of the parts' MD5s, in hex. */
  readonly md5OfMd5s: string;
}

export interface FoundObject {
  /** By this very put. */
  readonly isOurs: boolean;
  readonly sizeBytes: number;
  /** Undefined where the store does not say it. */
  readonly md5OfMd5s?: string | undefined;
}

/** One part may still be on its way while the next one is gathered; so a put holds two, however large its content is. */
const PARTS_UNDER_WAY = 1;
/** An answer that was changed on the way is not the object's fault. */
const CONFIRMATIONS = 3;

/**
 * Stores a stream of any length: as one request up to the size of a part, else in parts, each kept until the store has
 * confirmed it. An object counts as stored when the request that makes it was answered, or is found to have made it though its
 * answer was lost; one made of parts is always looked at. Nothing stays behind where it rejects, as far as that can be had
 * now: what can't, tidy and garbage collection find.
 */
export async function putInParts(
  content: Readable,
  { writer, holders, signal, release }: Pick<PutOptions, "signal" | "release"> & { writer: PartWriter; holders: PartHolders },
): Promise<{ sizeBytes: number }> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const writing: Writing = { writer, signal: either, held: new Set(), mayExist: false };
  let sizeBytes = 0;
  try {
    await pipeline(
      content,
      async (source: AsyncIterable<Buffer>) => {
        sizeBytes = await putParts(writing, cutIntoParts(source, { holders, release }));
      },
      signal === undefined ? {} : { signal },
    );
    return { sizeBytes };
  } catch (error) {
    // A part that arrived behind the end of its upload would stay there.
    stop.abort(error);
    const removal = removeRemains(writing);
    // A server that is away would let the caller wait for nothing.
    if (!(error instanceof StorageError && error.code === "unavailable")) await removal;
    throw error;
  } finally {
    for (const part of writing.held) await part.drop();
  }
}

interface Writing {
  readonly writer: PartWriter;
  readonly signal: AbortSignal;
  /** Parts that are not confirmed yet. */
  readonly held: Set<Part>;
  /** Of several parts, and not completed. */
  begun?: Promise<void>[];
  /** A request was sent that may have made the object. */
  mayExist: boolean;
}

async function putParts(writing: Writing, parts: AsyncGenerator<Part>): Promise<number> {
  const { writer, signal, held } = writing;
  const md5 = createHash("md5");
  const sent: Promise<void>[] = [];
  let sizeBytes = 0;
  for await (const part of parts) {
    held.add(part);
    if (part.isLast && sent.length === 0) {
      await putWhole(writing, part);
      return part.sizeBytes;
    }
    if (sent.length === 0) {
      writing.begun = sent;
      await writer.begin(signal);
    }
    await sent[sent.length - PARTS_UNDER_WAY];
    sizeBytes += part.sizeBytes;
    md5.update(part.md5);
    const sending = sendPart(writing, part, sent.length);
    sending.catch(() => undefined); // Thrown where it is awaited.
    sent.push(sending);
  }
  await Promise.all(sent);
  await complete(writing, { count: sent.length, sizeBytes, md5OfMd5s: md5.digest("hex") });
  return sizeBytes;
}

async function sendPart({ writer, signal, held }: Writing, part: Part, number: number): Promise<void> {
  await writer.putPart(part, { number, signal });
  held.delete(part);
  await part.free();
}

async function putWhole(writing: Writing, part: Part): Promise<void> {
  const { writer, signal, held } = writing;
  writing.mayExist = true;
  try {
    await writer.putWhole(part, signal);
  } catch (error) {
    // The answer to an earlier try may have been lost: then it is our own object that takes the key.
    if (!(error instanceof StorageError && error.code === "exists")) throw error;
    const found = await writer.find(signal);
    if (found?.isOurs !== true || found.sizeBytes !== part.sizeBytes) {
      writing.mayExist = false;
      throw error;
    }
  }
  held.delete(part);
  await part.free();
}

async function complete(writing: Writing, sent: SentParts): Promise<void> {
  const { writer, signal } = writing;
  writing.mayExist = true;
  try {
    await writer.complete(sent, signal);
  } catch (error) {
    // An earlier try, whose answer was lost, may have made the object; or it is another's.
    if (!(error instanceof StorageError && (error.code === "not_found" || error.code === "exists"))) throw error;
  }
  await confirm(writing, sent);
  delete writing.begun;
}

async function confirm({ writer, signal }: Writing, { sizeBytes, md5OfMd5s }: SentParts): Promise<void> {
  let found: FoundObject | undefined;
  for (let asked = 0; asked < CONFIRMATIONS; asked++) {
    found = await writer.find(signal);
    if (found?.isOurs === false) throw new StorageError("exists", `${writer.what}: the key is taken`);
    if (found?.sizeBytes === sizeBytes && (found.md5OfMd5s === undefined || found.md5OfMd5s === md5OfMd5s)) return;
  }
  const has = found === undefined ? "nothing" : `${found.sizeBytes} bytes with MD5 ${found.md5OfMd5s}`;
  throw new StorageError("unavailable", `${writer.what}: the store has ${has} where ${sizeBytes} bytes with MD5 ${md5OfMd5s} were sent`);
}

/** Never rejects: the put's own error is what matters. */
async function removeRemains({ writer, begun, mayExist }: Writing): Promise<void> {
  try {
    if (begun !== undefined) {
      await Promise.allSettled(begun);
      await writer.abandon().catch(() => undefined);
    }
    if (mayExist && (await writer.find(undefined))?.isOurs === true) await writer.remove();
  } catch {
    // Found by tidy and garbage collection.
  }
}
