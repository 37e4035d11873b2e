/**
 * Which suite here kills a real process at which failpoint. The suites take their cases from these lists and demand each
 * kill; coverage.test.ts demands that together they are the list that is generated from the sources.
 */

/** Every task comes by, whatever its step. */
export const IN_EVERY_TASK = [
  "claim-after-commit",
  "start-before-commit",
  "task-after-claim",
  "task-after-prepare",
  "task-after-run",
  "task-after-put-before-commit",
  "commit-after-hold",
  "commit-before-commit",
  "commit-after-commit",
] as const;

/** Every put of content that is too large for a row. */
export const IN_EVERY_PUT = ["disk-after-write", "disk-after-fsync", "disk-after-link", "disk-after-folder-fsync"] as const;

/** What a worker does beside its tasks; worker-life.db.test.ts. */
export const IN_A_WORKERS_LIFE = [
  "worker-after-register",
  "release-before-commit",
  "release-after-commit",
  "drain-before-gone",
  "reap-before-commit",
  "reap-after-commit",
  "adopt-after-commit",
  "discard-before-delete",
] as const;

/** sources.db.test.ts: listing a source and fetching what it has listed. */
export const IN_A_SOURCE = [
  "source-page-after-hold",
  "source-page-before-commit",
  "source-page-after-commit",
  "collect-after-put-before-commit",
] as const;

/** sources.db.test.ts: making the items of a job that generates its inputs. */
export const IN_A_GENERATOR = ["generate-page-before-commit", "generate-page-after-commit"] as const;

/** Before the transaction is there: an upload that died here left nothing to be seen. */
export const UPLOAD_BEFORE = [
  ...IN_EVERY_PUT,
  "upload-after-put-before-commit",
  "upload-before-commit",
  "idempotency-before-commit",
] as const;
export const UPLOAD_AFTER = ["upload-after-commit"] as const;

/** Once for each batch of a bulk upload. */
export const IN_BULK = ["bulk-before-commit", "bulk-after-commit"] as const;

/** api.db.test.ts; each has its own scenario there. */
export const IN_REQUESTS = [
  "job-before-commit",
  "job-after-commit",
  "cancel-before-commit",
  "cancel-between-job-and-tasks",
  "cancel-after-tasks",
  "retry-before-commit",
  "retry-after-commit",
  "delete-before-commit",
  "delete-after-commit",
  "job-delete-before-commit",
  "job-delete-after-commit",
  "pipeline-before-commit",
  "pipeline-after-commit",
  "pipeline-delete-before-commit",
  "pipeline-delete-after-commit",
] as const;

/** uploads.db.test.ts; each has its own scenario there. */
export const IN_RESUMABLE_UPLOADS = [
  "tus-after-put-before-commit",
  "tus-after-commit",
  "tus-finish-before-commit",
  "tus-finish-after-commit",
  "tus-terminate-before-commit",
  "tus-terminate-after-commit",
  "tus-concat-before-commit",
  "tus-concat-after-commit",
  "expire-uploads-after-commit",
] as const;

/** What happens around the serving; system.db.test.ts. */
export const AROUND = [
  "migrate-before-commit",
  "migrate-after-commit",
  "bootstrap-after-key-file",
  "bootstrap-before-commit",
  "class-after-objects-before-row",
  "expire-after-rows-before-objects",
  "garbage-after-tombstones",
  "garbage-after-rows-before-objects",
] as const;

/** A rotation of the root key, of a tenant's key, and what follows; keys.db.test.ts. */
export const IN_A_ROTATION = [
  "root-key-before-rename",
  "root-key-after-rename",
  "key-rotate-before-commit",
  "key-rotate-after-commit",
  "root-rewrap-before-commit",
  "key-rewrap-before-commit",
  "key-destroy-before-commit",
] as const;

/** What starts jobs without a request, and where a schedule is stored; starts.db.test.ts. */
export const IN_STARTS = [
  "schedule-put-before-commit",
  "schedule-before-commit",
  "schedule-after-commit",
  "trigger-before-commit",
  "trigger-after-commit",
  "wait-before-commit",
  "wait-after-commit",
] as const;
