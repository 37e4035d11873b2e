import type { Database } from "../db/database.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { Quotas } from "../tenants/quotas.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import type { HostPool } from "./host/pool.ts";
import type { Manifests } from "./manifests.ts";
import type { Plans } from "./plans.ts";
import type { ProfileBudget } from "./profile-budget.ts";
import type { Committer } from "./committer.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { Sources } from "../jobs/sources/source.ts";
import type { Logger } from "pino";
import type { ResultSecrets } from "./reuse.ts";

export interface TaskServices {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly quotas: Quotas;
  readonly catalogue: Catalogue;
  readonly hosts: HostPool;
  readonly plans: Plans;
  readonly manifests: Manifests;
  readonly committer: Committer;
  /** Inputs on disk of tasks that no host has begun with. */
  readonly ahead: ByteBudget;
  readonly workerId: string;
  /** What lists and fetches inputs from elsewhere. */
  readonly sources: Sources;
  /** Tells that lanes got work; for what is committed here and not by the committer. */
  readonly announce: (lanes: Iterable<string>) => void;
  readonly log: Logger;
  readonly profiles: ProfileBudget;
  /** Left out: no result is used again, and none remembered. */
  readonly secrets?: ResultSecrets | undefined;
  /** A host has begun with the task; from then on a drain waits for it. */
  readonly onStarted?: () => void;
  /** Items of the batch that are done, while it runs. */
  readonly onItems?: (done: number) => void;
  /** What a collecting task brought, once that is true. */
  readonly onCollected?: (objects: CollectedObjects) => void;
  /** Entries whose stage may be reused: those that were, and those that ran. */
  readonly onReused?: (entries: { readonly hits: number; readonly misses: number }) => void;
}

/**
 * How a task left this worker. `given_up`: still held but not finished (a drain, or the database, the store or the hosts
 * were away), to be released without burning an attempt.
 */
export type TaskEnd = "committed" | "not_ours" | "given_up";

export interface CollectedObjects {
  readonly stored: number;
  readonly unchanged: number;
  readonly failed: number;
  /** Of those that were stored. */
  readonly bytes: number;
}
