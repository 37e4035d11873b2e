import type { Database } from "../../db/database.ts";
import type { resolvePipeline } from "../../jobs/pipelines/resolve.ts";
import type { ContentStore } from "../../storage/content-store.ts";
import type { AllowedTypes } from "../allowed-types.ts";
import type { Quotas } from "../../tenants/quotas.ts";
import type { UploadLocks } from "./locks.ts";

/**
 * What the verbs of this folder work with. Each is a file: create, append, look, finish, concatenate, terminate.
 *
 * When is what durable? A PATCH is cut into objects of at most 64 MiB. Each is durable in its store before one transaction
 * adds its row and moves the offset, so that Upload-Offset never says more than is kept, and never less than was
 * acknowledged. A death in between leaves an object without a row, which garbage collection takes when the upload has
 * ended. When the offset reaches the length, one transaction makes the file, turns the upload's rows into the file's
 * segments, and submits the job; a request that finds an upload that is whole and not finished (its process died right
 * then) finishes it.
 */
export interface ResumableServices {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly catalogue: Parameters<typeof resolvePipeline>[2];
  readonly locks: UploadLocks;
  readonly quotas: Pick<Quotas, "hold">;
  readonly limits: ResumableLimits;
}

export interface ResumableLimits {
  readonly maxFileBytes: number;
  readonly allowedTypes?: AllowedTypes;
  /** Of one tenant. */
  readonly maxOpenUploads: number;
  /** After the last byte that came. */
  readonly uploadExpiryMs: number;
}
