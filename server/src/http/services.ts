import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { KeyAdmin } from "../lifecycle/keys/key-admin.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import type { Status } from "../status/status.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { EveryStore } from "../storage/every-store.ts";
import type { TenantKeys } from "../storage/keys/tenant-keys.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ReadNotes } from "../lifecycle/note-reads.ts";
import type { ObjectStores } from "../storage/object-stores.ts";
import type { Quotas } from "../tenants/quotas.ts";

/** What the routes need; composed once in bin/. */
export interface Services {
  readonly database: Database;
  readonly contents: ContentStore;
  /** Asked whether it takes bytes; all content goes through `contents`. */
  readonly store: EveryStore;
  /** Keys that are derived from the tenants', for one purpose each. */
  readonly keys: TenantKeys;
  readonly keyAdmin: KeyAdmin;
  readonly catalogue: Catalogue;
  /** Where clients reach us, without a slash at the end; undefined: where they reached us. */
  readonly publicUrl?: string | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Event streams, live progress and estimates. */
  readonly status: Status;
  readonly limits: UploadLimits;
  /** Room under the tenants' limits. */
  readonly quotas: Quotas;
  /** Told of every file whose content somebody fetches. */
  readonly reads: ReadNotes;
  /** Where files are moved between storage classes. */
  readonly stores: Pick<ObjectStores, "named">;
  readonly workers: WorkerPool;
  /** Tells dispatch, after the commit, that these lanes have ready tasks. Never fails; a lost call only costs time. */
  readonly announce: (lanes: Iterable<string>) => void;
}

/** The worker processes beside this one. */
export interface WorkerPool {
  /** How many may be asked for. */
  readonly most: number;
  /** Gives how many there were to be before, or undefined where who runs them does not answer. Left out: somebody else runs them. */
  readonly resize?: ((count: number) => Promise<number | undefined>) | undefined;
}

export interface UploadLimits {
  readonly maxFileBytes: number;
  readonly maxFilesPerRequest: number;
  /** Media types that are taken in; undefined: all. */
  readonly allowedTypes?: readonly string[] | undefined;
  /** Resumable ones, of one tenant. */
  readonly maxOpenUploads: number;
  /** How long a resumable upload is kept after the last byte that came. */
  readonly uploadExpiryMs: number;
  readonly bulk: BulkUploadLimits;
}

export interface BulkUploadLimits {
  /** Of any kind, in one archive. */
  readonly maxEntries: number;
  /** Of all files of an archive, unpacked. */
  readonly maxTotalBytes: number;
  /** Where zips are kept while they are read. Made where it is missing. */
  readonly spoolFolder: string;
}

export type { Principal } from "../tenants/principal.ts";
