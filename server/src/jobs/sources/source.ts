import type { CollectedSource } from "@filemill/contract/source.ts";
import type { FailureClass } from "../../errors.ts";
import type { ItemCode } from "@filemill/contract/errors.ts";
import type { StoredFile } from "../../record/files.ts";
import type { FetchFromWeb } from "./web.ts";

/**
 * Where the inputs of a job come from when nobody has sent them. A source task lists it page by page; each page makes
 * items, and moves the cursor, in one transaction. What is listed is a reference; collecting tasks turn references into
 * stored files, many at a time, and only then does the pipeline begin. Implemented in uploads/collect.
 */
export interface Source {
  /**
   * What comes after the cursor (undefined: from the start), in an order that does not depend on when it is asked. Ends
   * where nothing more can come. Rejects SourceError, or the signal's reason.
   */
  pages(cursor: SourceCursor | undefined, signal: AbortSignal): AsyncIterable<SourcePage>;
  /** Fetches what a reference names and stores it. Rejects SourceError, StorageError, or the signal's reason. */
  collect(reference: SourceReference, options: CollectOptions): Promise<CollectedObject>;
}

/** JSON; only the source that made it knows what is in it. */
export type SourceCursor = Readonly<Record<string, unknown>>;

export interface SourcePage {
  /** At most MAX_PAGE. */
  readonly inputs: readonly SourceInput[];
  /** Where the next page begins. */
  readonly cursor: SourceCursor;
  /** Left out: every input is an item. `unseen`: those that this job has not met with the same etag. */
  readonly take?: "unseen";
  /** There is nothing for the moment: look again after so long. */
  readonly pauseMs?: number;
}

export const MAX_PAGE = 1_000;

/** An object that was found. */
export interface SourceInput {
  /** Full address, as fetching needs it; may hold signatures. */
  readonly location: string;
  /** For the file that it becomes; fit to be one (uploads/file-name.ts). */
  readonly name: string;
  readonly sizeBytes?: number | undefined;
  readonly etag?: string | undefined;
  readonly modifiedAt?: Date | undefined;
}

/** What was found, as a collecting task meets it. */
export interface SourceReference extends SourceInput {
  readonly id: string;
  readonly identity: Buffer;
  /** What this tenant has stored of the same address already, if that is still there. */
  readonly known: KnownObject | undefined;
}

export interface KnownObject {
  readonly fileId: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly etag: string | null;
  readonly modifiedAt: Date | null;
}

export interface CollectOptions {
  /** Most bytes that may still come, over all of the source. */
  readonly roomBytes: number;
  readonly signal: AbortSignal;
}

/** `location` is the reference's, without what may be secret in it. */
export type CollectedObject =
  | { readonly type: "stored"; readonly file: StoredFile; readonly location: string }
  /** What is known is what is there. */
  | { readonly type: "unchanged"; readonly known: KnownObject; readonly location: string };

/** What opens sources; a worker has one. */
export interface Sources {
  /** Throws SourceError where the source may not be used, or is not configured here. */
  open(job: { readonly tenantId: string; readonly jobId: string; readonly spec: CollectedSource }): Promise<Source>;
  close(): Promise<void>;
  /** For steps that fetch what their inputs name. */
  readonly fetch: FetchFromWeb;
}

/** Why a source, or one object of it, could not be had. `bad_input` is final; `external` and `timeout` are tried again. */
export class SourceError extends Error {
  readonly code: ItemCode;
  readonly failureClass: FailureClass;
  constructor(code: ItemCode, failureClass: "bad_input" | "external" | "timeout", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SourceError";
    this.code = code;
    this.failureClass = failureClass;
  }
}
