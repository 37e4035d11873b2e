/**
 * A queue library as all rows use it. The work itself does nothing, so that what is measured is the queue: hand-out,
 * run, durable completion.
 */
export interface QueuePeer {
  readonly name: string;
  setUp(): Promise<void>;
  /** Adds no-op jobs in bulk while no worker runs. */
  add(count: number): Promise<void>;
  /** One worker process's worth of work: resolves when `count` jobs are handled and recorded as done. */
  drain(count: number): Promise<void>;
  /** Starts a worker that waits; `onRun` is called in it when a job begins. */
  listen(onRun: () => void): Promise<void>;
  addOne(): Promise<void>;
  takeDown(): Promise<void>;
}
