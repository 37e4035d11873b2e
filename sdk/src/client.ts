import { bulkOf, type Bulk } from "./bulk.ts";
import { adminOf, type Admin } from "./admin.ts";
import { pipelinesOf, processorsOf, type Pipelines, type Processors } from "./catalogue.ts";
import { FilemillError } from "./error.ts";
import { filesOf, type Files } from "./files.ts";
import { jobsOf, type Jobs } from "./jobs.ts";
import { keysOf, type Keys } from "./keys.ts";
import { linksOf, type Links } from "./links.ts";
import { schedulesOf, type Schedules } from "./schedules.ts";
import { createTransport, type ConnectOptions } from "./transport.ts";
import { usageOf, type Usage } from "./usage.ts";
import { watch, type WatchedEvent, type WatchOptions } from "./watch.ts";

export interface Client {
  /** For operators. */
  readonly admin: Admin;
  readonly files: Files;
  /** Many files in one archive. */
  readonly bulk: Bulk;
  readonly jobs: Jobs;
  /** For operators. */
  readonly keys: Keys;
  readonly links: Links;
  readonly pipelines: Pipelines;
  readonly processors: Processors;
  readonly schedules: Schedules;
  readonly usage: Usage;
  /** Events of the whole tenant, from now on; ends only by leaving the loop or by `signal`. */
  events(options?: WatchOptions): AsyncIterable<WatchedEvent>;
  /** Does the server take requests? One try, no retries; never rejects. */
  ready(signal?: AbortSignal): Promise<{ ready: boolean; detail: string }>;
}

/**
 * A client of one server; nothing is sent before the first call. Calls are repeated with growing pauses on 429, 503 and
 * lost connections; those that change something carry an Idempotency-Key, so that the server does each once. Runs in
 * Node and in browsers.
 */
export function connect(options: ConnectOptions): Client {
  const transport = createTransport(options);
  const single = createTransport({ ...options, retries: 0 });
  return {
    admin: adminOf(transport),
    files: filesOf(transport),
    bulk: bulkOf(transport),
    jobs: jobsOf(transport),
    keys: keysOf(transport),
    links: linksOf(transport),
    pipelines: pipelinesOf(transport),
    processors: processorsOf(transport),
    schedules: schedulesOf(transport),
    usage: usageOf(transport),
    events: (watchOptions = {}) => watch(transport, "/api/v1/events", { ...watchOptions, isLast: () => false }),
    async ready(signal) {
      try {
        const answer = await single.send({ method: "GET", path: "/readyz", signal });
        return { ready: true, detail: await answer.text() };
      } catch (error) {
        if (error instanceof FilemillError) return { ready: false, detail: error.detail };
        return { ready: false, detail: String(error) };
      }
    },
  };
}
