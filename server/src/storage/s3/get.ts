import { Readable } from "node:stream";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { StorageError } from "../../errors.ts";
import type { ByteRange } from "../object-store.ts";
import { doubtMissing, SURELY_THERE } from "../remote/doubt.ts";
import { readOn, type OpenedRange } from "../remote/read-on.ts";
import { at, type Bucket } from "./bucket.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { statusOf } from "./explain.ts";
import { headObject } from "./head.ts";

/**
 * The content, by range requests only: their answers say which bytes they are, so that a page of a proxy, an error inside
 * a 200 or a body that is too short can't be taken for the object. Goes on where an answer breaks off.
 */
export async function getObject(
  bucket: Bucket,
  key: string,
  { range, signal }: { range?: ByteRange; signal?: AbortSignal | undefined },
): Promise<Readable> {
  const what = `get ${key}`;
  return await readOn({ what: `${bucket.name}: ${what}`, range, signal, open: (wanted) => openRange(bucket, key, { wanted, signal }) });
}

async function openRange(
  bucket: Bucket,
  key: string,
  { wanted, signal }: { wanted: { start: number; end?: number }; signal: AbortSignal | undefined },
): Promise<OpenedRange | undefined> {
  const ask = () => bucket.guard.run(`get ${key}`, (attempt) => askRange(bucket, { key, wanted, signal: attempt }), { signal });
  try {
    return await doubtMissing(ask, { times: SURELY_THERE, signal });
  } catch (error) {
    // 416: nothing is there from `start` on, which is right for an empty object too; its size is asked to be sure.
    if (!(error instanceof StorageError && statusOf(error.cause) === 416)) throw error;
    return await confirmEnd(bucket, key, { start: wanted.start, signal, cause: error });
  }
}

async function askRange(
  bucket: Bucket,
  { key, wanted, signal }: { key: string; wanted: { start: number; end?: number }; signal: AbortSignal },
): Promise<OpenedRange> {
  const command = new GetObjectCommand({ ...at(bucket, key), Range: `bytes=${wanted.start}-${wanted.end ?? ""}` });
  const answer = await bucket.client.send(command, { abortSignal: signal });
  if (!(answer.Body instanceof Readable)) throw new WrongAnswer("the answer has no body");
  const stream = answer.Body;
  // Where it fails before anybody reads it; the reader gets that error all the same.
  stream.on("error", () => undefined);
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "") ?? [];
  const given = { start: Number(first), end: Number(last), totalBytes: Number(total) };
  const end = Math.min(wanted.end ?? Infinity, given.totalBytes - 1);
  if (answer.$metadata.httpStatusCode !== 206 || given.start !== wanted.start || given.end !== end) {
    stream.destroy();
    throw new WrongAnswer(`bytes ${wanted.start}-${wanted.end ?? ""} were asked for, "${answer.ContentRange ?? ""}" came`);
  }
  return { stream, ...given };
}

async function confirmEnd(
  bucket: Bucket,
  key: string,
  { start, signal, cause }: { start: number; signal: AbortSignal | undefined; cause: StorageError },
): Promise<undefined> {
  const found = await headObject(bucket, key, { doubt: SURELY_THERE, signal });
  if (found === undefined) throw new StorageError("not_found", `${bucket.name}: get ${key}: there is no such object`, { cause });
  if (found.sizeBytes > start) throw cause;
}
