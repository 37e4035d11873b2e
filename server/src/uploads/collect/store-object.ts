import type { Readable } from "node:stream";
import { parseDuration, parseSize } from "@filemill/contract/parse-units.ts";
import type { CollectedSource } from "@filemill/contract/source.ts";
import { Problem, StorageError } from "../../errors.ts";
import {
  SourceError,
  type CollectedObject,
  type CollectOptions,
  type KnownObject,
  type SourceReference,
} from "../../jobs/sources/source.ts";
import { isAllowed } from "../allowed-types.ts";
import { receiveFile } from "../receive.ts";
import { displayLocation } from "../../jobs/sources/display-location.ts";
import type { SourceContext } from "./source-context.ts";

/** What a place gives for a reference. */
export interface OpenedObject {
  readonly body: Readable;
  /** Left out: as it was listed. */
  readonly name?: string | undefined;
  readonly etag?: string | undefined;
  readonly modifiedAt?: Date | undefined;
  /** Bytes that must come; checked at the end. */
  readonly length?: number | undefined;
  /** Says what an error of the body means. */
  readonly explain?: (error: unknown) => unknown;
  /** Called when the body has ended; rejects SourceError where what came must not count. */
  readonly check?: () => Promise<void>;
  /** Called in the end, whatever has happened. */
  readonly close?: () => Promise<void>;
}

export interface FetchLimits {
  readonly maxBytes: number;
  /** Aborts when the caller does or the time for one object is over. */
  readonly signal: AbortSignal;
}

interface Wanted {
  readonly reference: SourceReference;
  readonly options: CollectOptions;
}

const TIMEOUT_MS = 600_000;
/** A timer takes no more than 2^32 - 1 ms. */
const MAX_TIMEOUT_MS = 86_400_000;

/**
 * Opens an object and stores it as a file, within the limits of its source: bytes, time, media types. The media type is
 * told from the content. Nothing is left where it rejects. Rejects SourceError, StorageError, or the signal's reason.
 */
export async function storeObject(
  context: SourceContext<CollectedSource>,
  wanted: Wanted,
  open: (limits: FetchLimits) => Promise<OpenedObject | "unchanged">,
): Promise<CollectedObject> {
  const { reference, options } = wanted;
  const location = displayLocation(reference.location);
  const maxBytes = maxBytesOf(context, options);
  if ((reference.sizeBytes ?? 0) > maxBytes || maxBytes <= 0) throw tooLarge(maxBytes);
  const asked = context.spec.limits?.timeout;
  const timeoutMs = asked === undefined ? TIMEOUT_MS : Math.min(parseDuration(asked), MAX_TIMEOUT_MS);
  return await inTime(timeoutMs, options.signal, async (signal) => {
    const opened = await open({ maxBytes, signal });
    if (opened === "unchanged") return { type: "unchanged", known: takeKnown(context, wanted), location };
    return { type: "stored", file: await store(context, { reference, opened, maxBytes, signal, location }), location };
  });
}

/** Another job, under other limits, may have stored what is there. */
function takeKnown(context: SourceContext<CollectedSource>, { reference, options }: Wanted): KnownObject {
  const { known } = reference;
  if (known === undefined) throw new RangeError("an object can only be unchanged where it is known");
  const maxBytes = maxBytesOf(context, options);
  if (known.sizeBytes > maxBytes) throw tooLarge(maxBytes);
  checkMediaType(context, known.mediaType);
  return known;
}

interface Storing {
  readonly reference: SourceReference;
  readonly opened: OpenedObject;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly location: string;
}

async function store(context: SourceContext<CollectedSource>, { reference, opened, maxBytes, signal, location }: Storing) {
  const { body } = opened;
  // Its failure is told by whoever reads it; an error between two reads must not end the process.
  body.on("error", () => {});
  try {
    const { contents, tenantId } = context;
    const name = opened.name ?? reference.name;
    const file = await receiveFile(body, { contents, tenantId, name, metadata: {}, maxBytes, signal });
    try {
      checkMediaType(context, file.mediaType);
      checkLength(opened.length, file.sizeBytes);
      await opened.check?.();
    } catch (error) {
      await contents.discard(file.content);
      throw error;
    }
    const { jobId, spec } = context;
    const { etag = null, modifiedAt = null } = opened;
    return { ...file, source: { jobId, kind: spec.kind, identity: reference.identity, location, etag, modifiedAt } };
  } catch (error) {
    if (error instanceof Problem && error.code === "file_too_large") throw tooLarge(maxBytes);
    throw opened.explain?.(error) ?? error;
  } finally {
    body.destroy();
    await opened.close?.();
  }
}

function maxBytesOf({ spec, maxFileBytes }: SourceContext<CollectedSource>, { roomBytes }: CollectOptions): number {
  const own = spec.limits?.max_size;
  return Math.min(maxFileBytes, roomBytes, own === undefined ? Number.POSITIVE_INFINITY : parseSize(own));
}

function tooLarge(maxBytes: number): SourceError {
  const what = maxBytes <= 0 ? "The objects before it have used up limits.max_total." : `It has more than ${maxBytes} bytes.`;
  return new SourceError("limit_exceeded", "bad_input", `${what} Raise the limit, or ask the operator to.`);
}

/** A connection that is cut may look like the end. */
function checkLength(length: number | undefined, sizeBytes: number): void {
  if (length === undefined || length === sizeBytes) return;
  throw new SourceError("source_unavailable", "external", `${length} bytes were announced and ${sizeBytes} came.`);
}

/** What the installation takes, and of that what the source does. */
function checkMediaType({ spec, allowedTypes }: SourceContext<CollectedSource>, mediaType: string): void {
  const accept = spec.limits?.accept;
  if (isAllowed(mediaType, allowedTypes) && isAllowed(mediaType, accept)) return;
  const takes = isAllowed(mediaType, accept) ? `this platform takes ${allowedTypes?.join(", ")}` : `the source takes ${accept?.join(", ")}`;
  throw new SourceError("type_mismatch", "bad_input", `Its content is ${mediaType}; ${takes}.`);
}

/** Rejects SourceError `timeout` where the work was ended because its time was over. */
async function inTime<T>(timeoutMs: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!timeout.aborted || error instanceof StorageError) throw error;
    throw new SourceError("timeout", "timeout", `It was not here within ${timeoutMs / 1_000} s.`, { cause: error });
  }
}
