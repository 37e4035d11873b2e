import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** What workers have done, in the names of these metrics' dashboards. */
export interface RunFigures {
  readonly contentType: string;
  /** A worker took a job for a run: of so many claims were lost with their worker. */
  claimed(times: number): void;
  lost(times: number): void;
  /** A run of so many documents ended. */
  ran(run: { readonly documents: number; readonly seconds: number; readonly ended: "completed" | "failed" }): void;
  /** So many more documents are fetched, and their texts are where clients find them. */
  stored(documents: number): void;
  /** With texts, there: `upload`, `upload_failed`, … */
  operated(blob: { readonly operation: string; readonly seconds: number }): void;
  jobFailed(): void;
  jobsAre(jobs: { readonly active: number; readonly pending: number; readonly completed: number }): void;
  text(): Promise<string>;
}

/** A run takes about a third of 30 to 50 documents; others may have been configured. */
const BATCH_SIZES = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50];
const OPERATION_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const RUN_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];

export function createRunFigures(): RunFigures {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });

  const processed = counter("jobs_processed_total", "runs of jobs that ended", ["status"]);
  const found = counter("jobs_found_total", "jobs that were found waiting for a run");
  const locked = counter("jobs_locked_total", "jobs that a worker took for a run");
  const failed = counter("jobs_failed_total", "jobs that ended without all of their documents");
  const downloaded = counter("documents_downloaded_total", "documents fetched from the registry, whose texts are stored");
  const uploaded = counter("documents_uploaded_total", "texts of documents stored");
  const operations = counter("blob_operations_total", "operations on stored texts", ["operation"]);
  const cleanups = counter("lock_cleanup_total", "jobs taken back from workers that were lost");
  const operationSeconds = new Histogram({
    ...{ name: "blob_operation_duration_seconds", help: "of an operation; on the platform's store: of a run, by its documents", registers },
    labelNames: ["operation"] as const,
    buckets: OPERATION_SECONDS,
  });
  const runSeconds = new Histogram({ name: "job_processing_duration_seconds", help: "of a run", buckets: RUN_SECONDS, registers });
  const batchSize = new Histogram({ name: "download_batch_size", help: "documents of a run", buckets: BATCH_SIZES, registers });
  const active = gauge("active_jobs", "jobs of which a worker has a run");
  const pending = gauge("pending_jobs", "jobs that wait for a run");
  const completed = gauge("completed_jobs", "jobs that have all of their documents");

  return {
    contentType: registry.contentType,
    claimed(times) {
      found.inc(times);
      locked.inc(times);
    },
    lost: (times) => cleanups.inc(times),
    ran({ documents, seconds, ended }) {
      processed.inc({ status: ended });
      runSeconds.observe(seconds);
      batchSize.observe(documents);
    },
    stored(documents) {
      downloaded.inc(documents);
      uploaded.inc(documents);
    },
    operated({ operation, seconds }) {
      operations.inc({ operation });
      operationSeconds.observe({ operation }, seconds);
    },
    jobFailed: () => failed.inc(),
    jobsAre(jobs) {
      active.set(jobs.active);
      pending.set(jobs.pending);
      completed.set(jobs.completed);
    },
    text: () => registry.metrics(),
  };
}
