import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { countedIn, countedText, type CountedMetric } from "./counted.ts";
import { mergeMetrics } from "./merge-metrics.ts";

/** Everything that is measured, in one registry of its own: no global state, so that tests and processes don't mix. */
export interface Metrics {
  readonly contentType: string;
  /** The text that Prometheus reads, with these labels on every line. */
  render(labels?: Readonly<Record<string, string>>): Promise<string>;
  /** Called before every render, for what is looked up and not counted. A look that fails leaves the last values. */
  beforeRender(look: () => Promise<void> | void): void;
  /** What was counted since the start, for whoever keeps it. */
  counted(): Promise<readonly CountedMetric[]>;
  /** What processes have counted that nobody scraped: rendered beside our own, as `worker="once"`. */
  othersAre(totals: readonly CountedMetric[]): void;

  /** One answered request; `route` is the pattern, never the path, which would make a series a file. */
  httpAnswered(answer: { method: string; route: string; status: number; seconds: number }): void;
  uploaded(bytes: number): void;
  /** A stored file was read and compared: whole, missing, damaged, healed or unread. */
  scrubbed(file: { bytes: number; result: string }): void;
  /** Something did not fit into its tenant's quota. */
  quotaRefused(): void;
  eventsDelivered(count: number): void;
  /** +1 when somebody opens an event stream, -1 when it ends. */
  streamsChanged(by: 1 | -1): void;

  /** A task left a worker: succeeded, failed, not_ours or given_up. */
  taskEnded(task: { kind: string; outcome: string; seconds: number }): void;
  /** Items, or whole tasks, that failed in an attempt, by the class of the failure. */
  failed(failureClass: string, count: number): void;
  /** From ready to claimed. */
  pickedUp(seconds: number): void;
  claimed(seconds: number): void;
  completed(seconds: number): void;
  /** `taken`: cancelled or given to another worker; `lease_ended`: could not be renewed in time. */
  leaseLost(reason: string): void;
  reaped(count: number): void;
  /** Entries of stages that ask for earlier results: those that had one, and those that had to run. */
  reused(entries: { readonly hits: number; readonly misses: number }): void;
  /** Objects that jobs collect: fetched and stored, found unchanged, not to be had. */
  collected(objects: { readonly stored: number; readonly unchanged: number; readonly failed: number; readonly bytes: number }): void;
  /** All lanes that have tasks; the others have none. */
  lanesAre(lanes: readonly { readonly lane: string; readonly ready: number; readonly running: number }[]): void;
  hostsAre(hosts: Readonly<Record<"spare" | "idle" | "busy", number>>): void;
}

const PREFIX = "filemill_";
/**
 * How often the lag of the event loop is looked at. prom-client's own 10 ms wakes an idle process 100 times a second: of
 * the 2.9 % of a core that an API and two workers took with nothing to do, that was two thirds.
 */
const LOOP_LAG_PRECISION_MS = 250;
/** Statements: 0.5 ms to 5 s. */
const STATEMENT_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** Pick-up is promised at p99 ≤ 30 ms: fine there. */
const PICKUP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300];
/** Requests and tasks last from a millisecond to an hour. */
const WORK_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: PREFIX, eventLoopMonitoringPrecision: LOOP_LAG_PRECISION_MS });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: PREFIX + name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[] = []) =>
    new Histogram({ name: PREFIX + name, help, buckets, labelNames, registers });

  const httpSeconds = histogram("http_request_seconds", "Time to answer, headers to last byte.", WORK_BUCKETS, [
    "method",
    "route",
    "status",
  ]);
  const uploadBytes = counter("upload_bytes_total", "Content received, bytes.");
  const scrubFiles = counter("scrub_files_total", "Stored files that were read to compare them.", ["result"]);
  const scrubBytes = counter("scrub_bytes_total", "Content that was read to compare it, bytes.");
  const refused = counter("quota_refused_total", "Uploads and outputs that did not fit into their tenant's quota.");
  const events = counter("events_total", "Events delivered to streams.");
  const streams = gauge("event_streams", "Open event streams.");
  const tasks = counter("tasks_total", "Task attempts that ended.", ["kind", "outcome"]);
  const failures = counter("failures_total", "Items, or whole tasks, that failed in an attempt.", ["class"]);
  const taskSeconds = histogram("task_seconds", "Time of a task attempt.", WORK_BUCKETS, ["kind"]);
  const pickup = histogram("pickup_seconds", "From ready to claimed.", PICKUP_BUCKETS);
  const claim = histogram("claim_seconds", "Time of a claim statement.", STATEMENT_BUCKETS);
  const complete = histogram("complete_seconds", "Time of a completing transaction.", STATEMENT_BUCKETS);
  const leasesLost = counter("leases_lost_total", "Leases that this worker lost while it worked.", ["reason"]);
  const reaped = counter("reaped_total", "Tasks taken from workers whose lease ended.");
  const resultCache = counter("result_cache_total", "Entries of stages that ask for earlier results.", ["outcome"]);
  const laneReady = gauge("lane_ready", "Ready tasks.", ["lane"]);
  const laneRunning = gauge("lane_running", "Running tasks.", ["lane"]);
  const hosts = gauge("hosts", "Step hosts of this worker.", ["state"]);
  const collectedObjects = counter("collected_objects_total", "Objects of jobs' sources that were looked after.", ["outcome"]);
  const collectedBytes = counter("collected_bytes_total", "Content fetched from jobs' sources, bytes.");
  const looks: (() => Promise<void> | void)[] = [];
  let others: readonly CountedMetric[] = [];

  return {
    contentType: registry.contentType,
    async render(labels = {}) {
      await Promise.allSettled(looks.map(async (look) => await look()));
      registry.setDefaultLabels(labels);
      const own = await registry.metrics();
      if (others.length === 0) return own;
      // Each metric is described once: in the words of this version, where it knows it.
      const described = await Promise.all(others.map(async (other) => ({ ...other, help: await helpOf(registry, other) })));
      return mergeMetrics([own, countedText(described, 'worker="once"')]);
    },
    counted: () => countedIn(registry),
    othersAre(totals) {
      others = totals;
    },
    beforeRender: (look) => void looks.push(look),
    httpAnswered: ({ method, route, status, seconds }) => httpSeconds.observe({ method, route, status: String(status) }, seconds),
    uploaded: (bytes) => uploadBytes.inc(bytes),
    quotaRefused: () => refused.inc(),
    scrubbed({ bytes, result }) {
      scrubFiles.inc({ result });
      if (result !== "unread") scrubBytes.inc(bytes);
    },
    eventsDelivered: (count) => events.inc(count),
    streamsChanged: (by) => streams.inc(by),
    taskEnded({ kind, outcome, seconds }) {
      tasks.inc({ kind, outcome });
      taskSeconds.observe({ kind }, seconds);
    },
    pickedUp: (seconds) => pickup.observe(seconds),
    claimed: (seconds) => claim.observe(seconds),
    completed: (seconds) => complete.observe(seconds),
    failed: (failureClass, count) => failures.inc({ class: failureClass }, count),
    leaseLost: (reason) => leasesLost.inc({ reason }),
    reaped: (count) => reaped.inc(count),
    collected({ bytes, ...outcomes }) {
      for (const [outcome, count] of Object.entries(outcomes)) collectedObjects.inc({ outcome }, count);
      collectedBytes.inc(bytes);
    },
    reused({ hits, misses }) {
      resultCache.inc({ outcome: "hit" }, hits);
      resultCache.inc({ outcome: "miss" }, misses);
    },
    lanesAre(lanes) {
      laneReady.reset();
      laneRunning.reset();
      for (const { lane, ready, running } of lanes) {
        laneReady.set({ lane }, ready);
        laneRunning.set({ lane }, running);
      }
    },
    hostsAre(counts) {
      for (const [state, count] of Object.entries(counts)) hosts.set({ state }, count);
    },
  };
}

async function helpOf(registry: Registry, { name, help }: CountedMetric): Promise<string> {
  return (await registry.getSingleMetric(name)?.get())?.help ?? help;
}
