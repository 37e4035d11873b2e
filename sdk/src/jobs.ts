import type { EventMessage } from "@filemill/contract/events.ts";
import type { ItemResource, JobAccepted, JobRequest, JobResource, JobSummary, OutputFile, TaskResource } from "@filemill/contract/jobs.ts";
import type { ProfileResource } from "@filemill/contract/profiles.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import type { Transport } from "./transport.ts";
import { watch, type WatchedEvent, type WatchOptions } from "./watch.ts";

export interface Jobs {
  /** `idempotencyKey`: the same key gives the same job, also over several processes; random unless told. */
  submit(request: JobRequest, options?: { idempotencyKey?: string | undefined; signal?: AbortSignal | undefined }): Promise<JobAccepted>;
  get(id: string): Promise<JobResource>;
  list(query?: ListQuery): List<JobSummary>;
  /** By ordinal; `from` an ordinal on, or from the first. */
  items(id: string, query?: ListQuery & { readonly from?: number | undefined }): List<ItemResource>;
  tasks(id: string, query?: ListQuery): List<TaskResource>;
  /** CPU profiles, of a job that was submitted with `profile`. */
  profiles(id: string): List<ProfileResource>;
  cancel(id: string): Promise<JobResource>;
  /** Deletes a job that has ended, and with `outputs` the files that it made, which stay otherwise. */
  remove(id: string, options?: { outputs?: "keep" | "delete" }): Promise<void>;
  /** Runs the dead items again. */
  retry(id: string): Promise<JobResource>;
  /** Events of one job until it has ended; a job that has ended already gives its history. */
  watch(id: string, options?: WatchOptions): AsyncIterable<WatchedEvent>;
  /** Resolves when the job has ended. */
  finished(id: string, options?: { signal?: AbortSignal | undefined; onEvent?: (event: WatchedEvent) => void }): Promise<JobResource>;
  /** All outputs, also beyond the 1,000 that the job itself shows. */
  outputs(id: string): AsyncIterable<OutputFile>;
}

const JOBS = "/api/v1/jobs";
const SHOWN_OUTPUTS = 1_000;
const LAST_EVENTS: readonly string[] = ["job.completed", "job.failed", "job.cancelled"];

export function jobsOf(transport: Transport): Jobs {
  const one = (id: string) => `${JOBS}/${encodeURIComponent(id)}`;
  const get = (id: string) => transport.json<JobResource>({ method: "GET", path: one(id) });
  const items: Jobs["items"] = (id, query) => listOf<ItemResource>(transport, `${one(id)}/items`, query);
  const watchJob = (id: string, options: WatchOptions = {}) =>
    watch(transport, `${one(id)}/events`, { ...options, isLast: (event) => isLast(id, event) });

  return {
    submit: (request, options = {}) =>
      transport.json({
        method: "POST",
        path: JOBS,
        json: request,
        headers: options.idempotencyKey === undefined ? {} : { "idempotency-key": options.idempotencyKey },
        signal: options.signal,
      }),
    get,
    list: (query) => listOf(transport, JOBS, query),
    items,
    tasks: (id, query) => listOf(transport, `${one(id)}/tasks`, query),
    profiles: (id) => listOf(transport, `${one(id)}/profiles`),
    cancel: (id) => transport.json({ method: "POST", path: `${one(id)}/cancel` }),
    remove: (id, options = {}) => transport.json({ method: "DELETE", path: one(id), query: options }),
    retry: (id) => transport.json({ method: "POST", path: `${one(id)}/retry` }),
    watch: watchJob,
    async finished(id, options = {}) {
      for await (const event of watchJob(id, { signal: options.signal })) options.onEvent?.(event);
      return get(id);
    },
    async *outputs(id) {
      const job = await get(id);
      if (job.output_files.length < SHOWN_OUTPUTS) return yield* job.output_files;
      // Items do not list what reduces made of them; that is among the first of the job's.
      const reduces = new Set(job.stages.filter(({ kind }) => kind === "tree" || kind === "gather").flatMap(({ steps }) => steps));
      yield* job.output_files.filter(({ step }) => reduces.has(step));
      for await (const item of items(id, { limit: 1_000 })) yield* item.outputs;
    },
  };
}

function isLast(id: string, event: EventMessage): boolean {
  return event.job_id === id && LAST_EVENTS.includes(event.type);
}
