import { Readable } from "node:stream";
import { v7 as uuidv7 } from "uuid";
import { freeChunk } from "../free-chunk.ts";
import { createCutter } from "./cutter.ts";
import { seal, sealBytes } from "./encrypt/seal.ts";
import type { ContentKeys } from "./keys/content-keys.ts";
import { segmentKey } from "./keys.ts";
import type { ObjectStores, Placement } from "./object-stores.ts";
import { MAX_INLINE_BYTES, MAX_SEGMENT_BYTES, type StoredContent, type StoredInline, type StoredSegment } from "./stored-content.ts";

export interface ContentPlace extends Pick<Placement, "region" | "storageClass"> {
  readonly tenantId: string;
  readonly fileId: string;
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** As in ObjectStore.put. May also get parts of a chunk, where a segment ends inside it. */
  readonly release?: (chunk: Buffer) => void;
}

export interface SegmentPlace extends ContentPlace {
  /** Which one of its file and epoch; no two may have the same. */
  readonly segment: number;
}

interface Writing extends ContentPlace {
  readonly stores: Pick<ObjectStores, "place" | "named">;
  readonly keys: ContentKeys;
}

/** One segment may still be in its fsync while the next one streams; never more, so that memory stays flat. */
const MAX_PUTS_UNDER_WAY = 2;

/** See ContentStore.write. */
export async function writeContent(content: AsyncIterable<Buffer>, writing: Writing): Promise<StoredContent> {
  const source = createCutter(content);
  const puts: Promise<StoredSegment>[] = [];
  try {
    const start = await source.take(MAX_INLINE_BYTES + 1);
    if (start.length <= MAX_INLINE_BYTES) return await sealInline(start, writing);
    source.putBack(start);
    while (!(await source.ended())) {
      await puts[puts.length - MAX_PUTS_UNDER_WAY];
      const { stream, drained } = source.cut(MAX_SEGMENT_BYTES);
      const put = putSegment(stream, { ...writing, segment: puts.length });
      puts.push(put);
      // A store that fails ends the piece that it reads, and that end may be told first; why is told by the store.
      await Promise.race([drained.catch(async () => void (await put)), put]);
    }
    return { segments: await Promise.all(puts) };
  } catch (error) {
    source.close();
    for (const put of await Promise.allSettled(puts)) if (put.status === "fulfilled") await removeSegment(put.value, writing);
    throw error;
  }
}

/** See ContentStore.writeSmall. An inline object has the id of its file, and is segment 0. */
export async function sealInline(
  content: Buffer,
  { keys, tenantId, fileId: objectId }: Pick<Writing, "keys" | "tenantId" | "fileId">,
): Promise<StoredInline> {
  if (content.length > MAX_INLINE_BYTES) throw new RangeError(`${content.length} bytes don't go into a row`);
  const { dek, seal: made } = await keys.make({ tenantId, objectId });
  return { inline: sealBytes(content, { name: { tenantId, objectId, segment: 0 }, dek }), seal: made };
}

/** See ContentStore.writeWhole. */
export async function writeWhole(content: Buffer, writing: Writing): Promise<StoredContent> {
  if (content.length <= MAX_INLINE_BYTES) return await sealInline(content, writing);
  if (content.length > MAX_SEGMENT_BYTES) throw new RangeError(`${content.length} bytes don't go into one segment`);
  const { stores, keys, tenantId, signal } = writing;
  const key = segmentKey({ ...writing, segment: 0 });
  const store = stores.place({ ...writing, objectKey: key });
  const objectId = uuidv7();
  const { dek, seal: made } = await keys.make({ tenantId, objectId });
  const sealed = sealBytes(content, { name: { tenantId, objectId, segment: 0 }, dek });
  await store.put(key, Readable.from([sealed], { objectMode: false }), signal ? { signal } : {});
  return { segments: [{ objectId, store: store.name, key, sizeBytes: content.length, seal: made }] };
}

/** See ContentStore.writeSegment. */
export async function writeSegment(content: AsyncIterable<Buffer>, writing: Writing & SegmentPlace): Promise<StoredSegment | undefined> {
  const source = createCutter(content);
  try {
    if (await source.ended()) return undefined;
    return await putSegment(source.cut(Infinity).stream, writing);
  } catch (error) {
    source.close();
    throw error;
  }
}

async function putSegment(stream: Readable, writing: Writing & SegmentPlace): Promise<StoredSegment> {
  const { stores, keys, tenantId, segment, signal, release } = writing;
  const key = segmentKey(writing);
  const store = stores.place({ ...writing, objectKey: key });
  const objectId = uuidv7();
  const { dek, seal: made } = await keys.make({ tenantId, objectId });
  let sizeBytes = 0;
  const onEnd = (sealed: number) => {
    sizeBytes = sealed;
  };
  const sealed = seal(stream, { name: { tenantId, objectId, segment }, dek, release, onEnd });
  await store.put(key, Readable.from(sealed, { objectMode: false }), { ...(signal && { signal }), release: freeChunk });
  return { objectId, store: store.name, key, sizeBytes, seal: made };
}

async function removeSegment({ store, key }: StoredSegment, { stores }: Writing): Promise<void> {
  await Promise.allSettled([stores.named(store).delete(key)]);
}
