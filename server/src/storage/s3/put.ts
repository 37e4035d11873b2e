import { createHash, randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
} from "@aws-sdk/client-s3";
import { StorageError } from "../../errors.ts";
import type { PutOptions } from "../object-store.ts";
import { SURELY_THERE } from "../remote/doubt.ts";
import { cutIntoParts, type Part } from "../remote/parts.ts";
import { at, classParameter, WRITE_ID, type Bucket } from "./bucket.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { deleteObject } from "./delete.ts";
import { etagOf, headObject, type EtagAnswer, type S3Head } from "./head.ts";

/** One part may still be on its way while the next one is gathered; so a put holds two, however large its content is. */
const PARTS_UNDER_WAY = 1;

/**
 * Stores a stream of any length: as one request up to the size of a part, else as a multipart upload. Each request carries
 * an MD5 that the server checks, and the answer's ETag is checked against it; at the end of a multipart upload the object
 * is asked for its size and ETag. `If-None-Match: *` refuses a key that is taken. Servers that don't know it at the end of
 * a multipart upload (radosgw 16) are asked before; two large puts of one key at the very same time are not told apart
 * there, which is why keys of ours never repeat.
 */
export async function putObject(bucket: Bucket, key: string, content: Readable, options: PutOptions): Promise<{ sizeBytes: number }> {
  const writing: Writing = { bucket, key, options, writeId: randomUUID(), mayExist: false, held: new Set() };
  let sizeBytes = 0;
  try {
    await pipeline(
      content,
      async (source: AsyncIterable<Buffer>) => {
        sizeBytes = await putParts(writing, cutIntoParts(source, { holders: bucket.holders, release: options.release }));
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
  readonly bucket: Bucket;
  readonly key: string;
  readonly options: PutOptions;
  readonly writeId: string;
  uploadId?: string;
  /** Parts that are not confirmed yet. */
  readonly held: Set<Part>;
  /** A request was sent that may have made the object. */
  mayExist: boolean;
}

async function putParts(writing: Writing, parts: AsyncGenerator<Part>): Promise<number> {
  const first = await parts.next();
  if (first.done === true) throw new Error("content has no part"); // cutIntoParts gives one even of nothing.
  writing.held.add(first.value);
  if (first.value.isLast) {
    await putWhole(writing, first.value);
    return first.value.sizeBytes;
  }
  return await putMultipart(writing, followedBy(first.value, parts));
}

async function* followedBy(first: Part, rest: AsyncGenerator<Part>): AsyncGenerator<Part> {
  yield first;
  yield* rest;
}

async function letGo({ held }: Writing, part: Part): Promise<void> {
  held.delete(part);
  await part.free();
}

async function putWhole(writing: Writing, part: Part): Promise<void> {
  const { bucket, key, writeId, options } = writing;
  writing.mayExist = true;
  const run = bucket.guard.run(
    `put ${key}`,
    async (signal) => {
      const command = new PutObjectCommand({
        ...at(bucket, key),
        ...classParameter(bucket, options.storageClass),
        Body: part.body(),
        ContentLength: part.sizeBytes,
        ContentMD5: part.md5.toString("base64"),
        Metadata: { [WRITE_ID]: writeId },
        IfNoneMatch: "*",
      });
      checkEtag(await bucket.client.send(command, { abortSignal: signal }), part.md5.toString("hex"));
    },
    { signal: options.signal, sizeBytes: part.sizeBytes },
  );
  try {
    await run;
  } catch (error) {
    // The answer to an earlier try may have been lost: then it is our own object that takes the key.
    if (!(error instanceof StorageError && error.code === "exists")) throw error;
    const found = await headObject(bucket, key, { doubt: SURELY_THERE, signal: options.signal });
    if (found?.writeId !== writeId || found.sizeBytes !== part.sizeBytes) {
      writing.mayExist = false;
      throw error;
    }
  }
  await letGo(writing, part);
}

async function putMultipart(writing: Writing, parts: AsyncGenerator<Part>): Promise<number> {
  const { bucket, key, options } = writing;
  const taken = await headObject(bucket, key, { signal: options.signal });
  if (taken !== undefined) throw new StorageError("exists", `${bucket.name}: put ${key}: the key is taken`);
  const uploadId = await beginUpload(writing);
  writing.uploadId = uploadId;
  const sent: Promise<CompletedPart>[] = [];
  const hash = createHash("md5");
  let sizeBytes = 0;
  for await (const part of parts) {
    writing.held.add(part);
    await sent[sent.length - PARTS_UNDER_WAY];
    sizeBytes += part.sizeBytes;
    hash.update(part.md5);
    const sending = sendPart(writing, { uploadId, part, number: sent.length + 1 });
    sending.catch(() => undefined); // Thrown where it is awaited.
    sent.push(sending);
  }
  const completed = await Promise.all(sent);
  await completeUpload(writing, { uploadId, completed, sizeBytes, etag: `${hash.digest("hex")}-${completed.length}` });
  delete writing.uploadId;
  return sizeBytes;
}

async function beginUpload({ bucket, key, writeId, options }: Writing): Promise<string> {
  const command = new CreateMultipartUploadCommand({
    ...at(bucket, key),
    ...classParameter(bucket, options.storageClass),
    Metadata: { [WRITE_ID]: writeId },
  });
  return await bucket.guard.run(
    `begin the upload of ${key}`,
    async (signal) => {
      const { UploadId } = await bucket.client.send(command, { abortSignal: signal });
      if (!UploadId) throw new WrongAnswer("the answer has no upload id");
      return UploadId;
    },
    options,
  );
}

async function sendPart(
  writing: Writing,
  { uploadId, part, number }: { uploadId: string; part: Part; number: number },
): Promise<CompletedPart> {
  const { bucket, key, options } = writing;
  const etag = await bucket.guard.run(
    `put part ${number} of ${key}`,
    async (signal) => {
      const command = new UploadPartCommand({
        ...at(bucket, key),
        UploadId: uploadId,
        PartNumber: number,
        Body: part.body(),
        ContentLength: part.sizeBytes,
        ContentMD5: part.md5.toString("base64"),
      });
      const answer = await bucket.client.send(command, { abortSignal: signal });
      checkEtag(answer, part.md5.toString("hex"));
      return answer.ETag ?? "";
    },
    { signal: options.signal, sizeBytes: part.sizeBytes },
  );
  await letGo(writing, part);
  return { PartNumber: number, ETag: etag };
}

async function completeUpload(
  writing: Writing,
  upload: { uploadId: string; completed: CompletedPart[]; sizeBytes: number; etag: string },
): Promise<void> {
  const { bucket, key, writeId, options } = writing;
  const command = new CompleteMultipartUploadCommand({
    ...at(bucket, key),
    UploadId: upload.uploadId,
    MultipartUpload: { Parts: upload.completed },
    IfNoneMatch: "*",
  });
  writing.mayExist = true;
  try {
    await bucket.guard.run(`complete ${key}`, (signal) => bucket.client.send(command, { abortSignal: signal }), {
      signal: options.signal,
      sizeBytes: upload.sizeBytes, // Which some servers put together now.
    });
  } catch (error) {
    // not_found: the upload is no more, because an earlier try completed it. exists: the same, or another's object.
    if (!(error instanceof StorageError && (error.code === "not_found" || error.code === "exists"))) throw error;
  }
  let found: S3Head | undefined;
  for (let asked = 0; asked < CONFIRMATIONS; asked++) {
    found = await headObject(bucket, key, { doubt: SURELY_THERE, signal: options.signal });
    if (found !== undefined && found.writeId !== writeId) throw new StorageError("exists", `${bucket.name}: put ${key}: the key is taken`);
    if (found?.sizeBytes === upload.sizeBytes && (found.etag === undefined || found.etag === upload.etag)) return;
  }
  const has = found === undefined ? "nothing" : `${found.sizeBytes} bytes with ETag ${found.etag}`;
  const text = `${bucket.name}: put ${key}: the store has ${has} where ${upload.sizeBytes} bytes with ETag ${upload.etag} were sent`;
  throw new StorageError("unavailable", text);
}

/** An answer that was changed on the way is not the object's fault. */
const CONFIRMATIONS = 3;

function checkEtag(answer: EtagAnswer, md5: string): void {
  const etag = etagOf(answer);
  if (etag !== undefined && etag !== md5) throw new WrongAnswer(`the store has ETag "${etag}" for what was sent as ${md5}`);
}

/** What a failed put may have left, as far as it can be had now; what can't, tidy and garbage collection find. */
async function removeRemains({ bucket, key, writeId, uploadId, mayExist }: Writing): Promise<void> {
  try {
    if (uploadId !== undefined) {
      const abort = new AbortMultipartUploadCommand({ ...at(bucket, key), UploadId: uploadId });
      await bucket.guard
        .run(`abort the upload of ${key}`, (signal) => bucket.client.send(abort, { abortSignal: signal }))
        .catch(() => undefined);
    }
    if (!mayExist || (await headObject(bucket, key, { doubt: 0 }))?.writeId !== writeId) return;
    await deleteObject(bucket, key);
  } catch {
    // The put's own error is what matters.
  }
}
