import { Readable } from "node:stream";
import { StorageError } from "../../errors.ts";
import type { ByteRange } from "../object-store.ts";
import { doubtMissing, SURELY_THERE } from "../remote/doubt.ts";
import { readOn, type OpenedRange } from "../remote/read-on.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { blobAt, type Container } from "./container.ts";
import { statusOf } from "./explain.ts";
import { headBlob } from "./head.ts";

/** The library sends no range for "everything from 0"; a range that is longer than any blob does the same with one. */
const EVERYTHING_BYTES = 2 ** 48;

/** As for S3: by range requests only, whose answers say which bytes they are, and on where an answer breaks off. */
export async function getBlob(
  container: Container,
  key: string,
  { range, signal }: { range?: ByteRange; signal?: AbortSignal | undefined },
): Promise<Readable> {
  const what = `${container.name}: get ${key}`;
  return await readOn({ what, range, signal, open: (wanted) => openRange(container, key, { wanted, signal }) });
}

interface Wanted {
  readonly start: number;
  readonly end?: number;
}

async function openRange(
  container: Container,
  key: string,
  { wanted, signal }: { wanted: Wanted; signal: AbortSignal | undefined },
): Promise<OpenedRange | undefined> {
  const ask = () => container.guard.run(`get ${key}`, (attempt) => askRange(container, { key, wanted, signal: attempt }), { signal });
  try {
    return await doubtMissing(ask, { times: SURELY_THERE, signal });
  } catch (error) {
    // 416: nothing is there from `start` on, which is right for an empty blob too; its size is asked to be sure.
    if (!(error instanceof StorageError && statusOf(error.cause) === 416)) throw error;
    const found = await headBlob(container, key, { doubt: SURELY_THERE, signal });
    if (found !== undefined && found.sizeBytes <= wanted.start) return undefined;
    throw error;
  }
}

async function askRange(
  container: Container,
  { key, wanted, signal }: { key: string; wanted: Wanted; signal: AbortSignal },
): Promise<OpenedRange> {
  const length = wanted.end === undefined ? EVERYTHING_BYTES : wanted.end - wanted.start + 1;
  const answer = await blobAt(container, key).download(wanted.start, length, { abortSignal: signal, maxRetryRequests: 0 });
  if (!(answer.readableStreamBody instanceof Readable)) throw new WrongAnswer("the answer has no body");
  const stream = answer.readableStreamBody;
  // Where it fails before anybody reads it; the reader gets that error all the same.
  stream.on("error", () => undefined);
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.contentRange ?? "") ?? [];
  const given = { start: Number(first), end: Number(last), totalBytes: Number(total) };
  if (given.start === wanted.start && given.end === Math.min(wanted.end ?? Infinity, given.totalBytes - 1)) return { stream, ...given };
  stream.destroy();
  throw new WrongAnswer(`bytes ${wanted.start}-${wanted.end ?? ""} were asked for, "${answer.contentRange ?? ""}" came`);
}
