import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { StorageError } from "../../errors.ts";
import type { PutOptions } from "../object-store.ts";
import { SURELY_THERE } from "../remote/doubt.ts";
import type { Part } from "../remote/parts.ts";
import { putInParts, type PartWriter } from "../remote/put-in-parts.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { at, classParameter, WRITE_ID, type Bucket } from "./bucket.ts";
import { deleteObject } from "./delete.ts";
import { etagOf, headObject, type EtagAnswer } from "./head.ts";

/**
 * Stores a stream as one request, or as a multipart upload. Each request carries an MD5 that the server checks, and the
 * answer's ETag is checked against it. `If-None-Match: *` refuses a key that is taken. Servers that don't know it at the end
 * of a multipart upload (radosgw 16) are asked before; two large puts of one key at the very same time are not told apart
 * there, which is why keys of ours never repeat.
 */
export async function putObject(bucket: Bucket, key: string, content: Readable, options: PutOptions): Promise<{ sizeBytes: number }> {
  return await putInParts(content, { ...options, holders: bucket.holders, writer: openWriter(bucket, key, options) });
}

function openWriter(bucket: Bucket, key: string, { storageClass }: PutOptions): PartWriter {
  const { client, guard } = bucket;
  const place = at(bucket, key);
  const writeId = randomUUID();
  const made = { ...place, ...classParameter(bucket, storageClass), Metadata: { [WRITE_ID]: writeId } };
  const etags: string[] = [];
  let uploadId: string | undefined;

  return {
    what: `${bucket.name}: put ${key}`,
    async putWhole(part, signal) {
      const send = async (abortSignal: AbortSignal) => {
        const command = new PutObjectCommand({ ...made, ...bodyOf(part), IfNoneMatch: "*" });
        checkEtag(await client.send(command, { abortSignal }), part.md5.toString("hex"));
      };
      await guard.run(`put ${key}`, send, { signal, sizeBytes: part.sizeBytes });
    },
    async begin(signal) {
      if ((await headObject(bucket, key, { signal })) !== undefined) {
        throw new StorageError("exists", `${bucket.name}: put ${key}: the key is taken`);
      }
      const send = async (abortSignal: AbortSignal) => {
        const { UploadId } = await client.send(new CreateMultipartUploadCommand(made), { abortSignal });
        if (!UploadId) throw new WrongAnswer("the answer has no upload id");
        return UploadId;
      };
      uploadId = await guard.run(`begin the upload of ${key}`, send, { signal });
    },
    async putPart(part, { number, signal }) {
      const send = async (abortSignal: AbortSignal) => {
        const command = new UploadPartCommand({ ...place, UploadId: uploadId, PartNumber: number + 1, ...bodyOf(part) });
        const answer = await client.send(command, { abortSignal });
        checkEtag(answer, part.md5.toString("hex"));
        return answer.ETag ?? "";
      };
      etags[number] = await guard.run(`put part ${number + 1} of ${key}`, send, { signal, sizeBytes: part.sizeBytes });
    },
    async complete({ sizeBytes }, signal) {
      const Parts = etags.map((ETag, number) => ({ PartNumber: number + 1, ETag }));
      const command = new CompleteMultipartUploadCommand({ ...place, UploadId: uploadId, MultipartUpload: { Parts }, IfNoneMatch: "*" });
      // Some servers put the bytes together now.
      await guard.run(`complete ${key}`, (abortSignal) => client.send(command, { abortSignal }), { signal, sizeBytes });
    },
    async find(signal) {
      const found = await headObject(bucket, key, { doubt: SURELY_THERE, signal });
      if (found === undefined) return undefined;
      // Of what was put in parts: MD5 of their MD5s, and how many they were.
      const md5OfMd5s = found.etag?.replace(new RegExp(`-${etags.length}$`), "");
      return { isOurs: found.writeId === writeId, sizeBytes: found.sizeBytes, md5OfMd5s };
    },
    async abandon() {
      if (uploadId === undefined) return;
      const command = new AbortMultipartUploadCommand({ ...place, UploadId: uploadId });
      await guard.run(`abort the upload of ${key}`, (abortSignal) => client.send(command, { abortSignal }));
    },
    remove: () => deleteObject(bucket, key),
  };
}

function bodyOf(part: Part) {
  return { Body: part.body(), ContentLength: part.sizeBytes, ContentMD5: part.md5.toString("base64") };
}

function checkEtag(answer: EtagAnswer, md5: string): void {
  const etag = etagOf(answer);
  if (etag !== undefined && etag !== md5) throw new WrongAnswer(`the store has ETag "${etag}" for what was sent as ${md5}`);
}
