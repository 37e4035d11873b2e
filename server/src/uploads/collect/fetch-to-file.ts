import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { SourceError } from "../../jobs/sources/source.ts";
import type { WebFile, WebRequest } from "../../jobs/sources/web.ts";
import type { Dialer, Fetched } from "../../net/dialer.ts";
import { detectMediaType, HEAD_BYTES } from "../media-type.ts";
import { objectName } from "./object-name.ts";
import { readRetryAfter } from "./retry-after.ts";
import { nameOf, refusalOf, toSourceError } from "./web-answer.ts";
import { withExtension } from "./with-extension.ts";

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** A server that wants to be left alone for longer is asked again by the item's next attempt, not by a worker that waits. */
const MAX_RETRY_AFTER_MS = 15_000;

/** How one request is made; many at once are kept within bounds outside. */
export interface WebTries {
  readonly dialer: Dialer;
  /** Runs a try when there is a place for it. */
  readonly inTurn: <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  /** For tests. */
  readonly firstPauseMs?: number;
}

/**
 * Fetches, and tries again after a pause what may pass: a server that is away, silent, overloaded, or that sends other
 * bytes than it announced. What is asked for in vain burns an attempt of the item (`external`, `timeout`), what can't
 * change ends it (`bad_input`). See FetchFromWeb for what it rejects.
 */
export async function fetchToFile(tries: WebTries, request: WebRequest): Promise<WebFile> {
  for (let made = 1; ; made++) {
    const pauses = { retryAfterMs: 0 };
    try {
      return await tries.inTurn(() => tryOnce(tries.dialer, request, pauses), request.signal);
    } catch (error) {
      await rm(request.path, { force: true });
      request.signal.throwIfAborted();
      if (!(error instanceof SourceError) || error.failureClass === "bad_input") throw error;
      if (made >= request.tries || pauses.retryAfterMs > MAX_RETRY_AFTER_MS) throw afterTries(error, made);
    }
    await waitFor({ made, firstPauseMs: tries.firstPauseMs ?? FIRST_PAUSE_MS, ...pauses }, request.signal);
  }
}

async function tryOnce(dialer: Dialer, request: WebRequest, pauses: { retryAfterMs: number }): Promise<WebFile> {
  const { url, headers, maxBytes } = request;
  const time = AbortSignal.timeout(request.tryMs);
  const signal = AbortSignal.any([request.signal, time]);
  let counted = 0;
  try {
    const answer = await dialer.fetch({ url, headers, maxBytes, signal });
    // Its failure is told by whoever reads it; an error between two reads must not end the process.
    answer.body.on("error", () => {});
    const refusal = refusalOf(answer);
    if (refusal !== undefined) {
      answer.body.destroy();
      pauses.retryAfterMs = readRetryAfter(answer.headers["retry-after"]);
      throw refusal;
    }
    const meter = createMeter((bytes) => {
      counted += bytes;
      request.onBytes(bytes);
    });
    await pipeline(answer.body as Readable, meter.measure, createWriteStream(request.path, { mode: 0o600 }), { signal });
    return await fileOf(request, answer, meter.result());
  } catch (error) {
    if (counted > 0) request.onBytes(-counted);
    if (request.signal.aborted) throw request.signal.reason;
    if (time.aborted) throw new SourceError("timeout", "timeout", `It was not here within ${request.tryMs / 1_000} s.`, { cause: error });
    throw toSourceError(error);
  }
}

interface Measured {
  readonly sizeBytes: number;
  readonly sha256: Buffer;
  readonly head: Buffer;
}

function createMeter(onBytes: (bytes: number) => void) {
  const hash = createHash("sha256");
  const heads: Buffer[] = [];
  let headBytes = 0;
  let sizeBytes = 0;
  return {
    async *measure(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of content) {
        onBytes(chunk.length);
        sizeBytes += chunk.length;
        hash.update(chunk);
        if (headBytes < HEAD_BYTES) {
          const part = Buffer.from(chunk.subarray(0, HEAD_BYTES - headBytes));
          heads.push(part);
          headBytes += part.length;
        }
        yield chunk;
      }
    },
    result: (): Measured => ({ sizeBytes, sha256: hash.digest(), head: Buffer.concat(heads) }),
  };
}

async function fileOf(request: WebRequest, answer: Fetched, { sizeBytes, sha256, head }: Measured): Promise<WebFile> {
  if (request.sizeBytes !== undefined && request.sizeBytes !== sizeBytes) {
    throw changed(`${request.sizeBytes} bytes were expected and ${sizeBytes} came.`);
  }
  if (request.sha256 !== undefined && !request.sha256.equals(sha256)) throw changed("Its SHA-256 is not the one that was expected.");
  const name = request.name === undefined ? nameOf(answer) : objectName(request.name);
  const mediaType = await detectMediaType({ head, complete: sizeBytes <= head.length, name });
  return { name: withExtension(name, mediaType), sizeBytes, mediaType };
}

/** A connection that is cut may look like the end, and a proxy may have answered; the next try may bring the right bytes. */
function changed(message: string): SourceError {
  return new SourceError("corrupt", "external", message);
}

function afterTries(error: SourceError, made: number): SourceError {
  const failureClass = error.failureClass === "timeout" ? "timeout" : "external";
  return new SourceError(error.code, failureClass, `${error.message} (${made} ${made === 1 ? "try" : "tries"})`, { cause: error });
}

/** Twice as long with each try, and never at the same moment as everybody else. */
async function waitFor(
  { made, firstPauseMs, retryAfterMs }: { made: number; firstPauseMs: number; retryAfterMs: number },
  signal: AbortSignal,
): Promise<void> {
  const most = Math.min(MAX_PAUSE_MS, firstPauseMs * 2 ** (made - 1));
  const pauseMs = Math.max(retryAfterMs, most / 2 + (Math.random() * most) / 2);
  await pause(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}
