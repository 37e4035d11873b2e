import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createEstimator, type Estimator } from "./estimate.ts";
import { createEventReader } from "./reader.ts";
import { createJobSnapshots, type JobSnapshots } from "./snapshot.ts";
import { createEventStreams, type EventStreams } from "./stream.ts";

/** How people are told: one of these a process. */
export interface Status {
  readonly streams: EventStreams;
  readonly snapshots: JobSnapshots;
  readonly estimator: Estimator;
  /** This process has just written events; never needed, only faster. */
  wake(): void;
  close(): Promise<void>;
}

/** `listen`: also be woken by NOTIFY. Nothing is read, and no connection taken, before somebody watches. */
export function createStatus(options: { database: Database; log: Logger; metrics: Metrics; listen: boolean }): Status {
  const reader = createEventReader(options);
  const snapshots = createJobSnapshots(options);
  const streams = createEventStreams({ ...options, reader, snapshots });
  return {
    streams,
    snapshots,
    estimator: createEstimator(options.database),
    wake: () => reader.wake(),
    async close() {
      streams.close();
      await Promise.all([reader.close(), snapshots.close()]);
    },
  };
}
