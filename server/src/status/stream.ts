import type { Writable } from "node:stream";
import { encodeId } from "@filemill/contract/ids.ts";
import { TERMINAL_JOB_STATUSES, type JobStatus } from "@filemill/contract/status.ts";
import { notFound } from "../errors.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createConnection, type ClientConnection } from "./client-connection.ts";
import { endMessage, eventMessage, progressMessage } from "./message.ts";
import { BEGINNING, isVisible, positionsBehind, type Position } from "./position.ts";
import { currentPosition, lastEvent, replayEvents, type StoredEvent } from "./read-events.ts";
import type { EventReader, Listener } from "./reader.ts";
import type { JobSnapshots } from "./snapshot.ts";

export interface StreamRequest {
  readonly tenantId: string;
  /** One job; undefined = everything of the tenant. */
  readonly jobId: string | undefined;
  /** Where the client stands. undefined = from the start of a job; for a tenant, from now on. */
  readonly from: Position | undefined;
  /** Called once everything that can be refused has been asked; the stream writes to what it gives. */
  readonly begin: () => Writable;
}

/**
 * Event streams. First the history behind `from`, then events as they are read, with samples of the progress between
 * them; a job's stream ends behind the event that ends the job. Every event is delivered at least once, in the order of
 * (transaction, id).
 *
 * Nothing falls between history and present: the subscription comes first, then the place where history ends is taken,
 * and what is told meanwhile waits. The reader may stand a quarter of a second behind that place; what it tells again
 * is left out.
 */
export interface EventStreams {
  /** Resolves when live; rejects Problem `not_found` for a job that the tenant doesn't have. */
  open(request: StreamRequest): Promise<void>;
  /** Ends all streams in order: clients come back by themselves. */
  close(): void;
}

interface Parts {
  readonly database: Database;
  readonly reader: EventReader;
  readonly snapshots: JobSnapshots;
  readonly metrics: Metrics;
}

/** Events that may wait for a slow replay to end. */
const MAX_PENDING_BATCHES = 2_000;
const END_EVENTS: ReadonlySet<string> = new Set(TERMINAL_JOB_STATUSES.map((status) => `job.${status}`));

export function createEventStreams(parts: Parts): EventStreams {
  const connections = new Set<ClientConnection>();

  async function open(request: StreamRequest): Promise<void> {
    const { tenantId, jobId } = request;
    const pending: Parameters<Listener>[0][] = [];
    let deliver: Listener = (batch) => {
      if (batch.events.length > 0) pending.push(batch);
      if (pending.length > MAX_PENDING_BATCHES) connection?.end();
    };
    let connection: ClientConnection | undefined;
    const subscription = await parts.reader.subscribe({ tenantId, jobId }, (batch) => deliver(batch));
    try {
      const { job, now } = await readStart(parts.database, request);
      const live = connect(request, () => subscription.end());
      connection = live;
      const ended = await replay({ request, to: now, connection: live, job });
      if (ended || !live.open) return live.end();
      deliver = (batch) => deliverLive({ connection: live, job, since: now }, batch);
      for (const batch of pending) deliver(batch);
      if (job !== undefined && isEnd(job.status) && live.open) {
        live.send(await endAgain(parts.database, request, { ...job, status: job.status, now }));
        live.end();
      }
    } catch (error) {
      subscription.end();
      connection?.end();
      throw error;
    }
  }

  function connect(request: StreamRequest, onClosed: () => void): ClientConnection {
    const { tenantId, jobId } = request;
    const connection = createConnection(request.begin(), {
      onClosed() {
        stopSamples();
        onClosed();
        connections.delete(connection);
        parts.metrics.streamsChanged(-1);
      },
    });
    const onSample = (sample: Parameters<typeof progressMessage>[0]) => connection.send(progressMessage(sample));
    const stopSamples = jobId === undefined ? parts.snapshots.watchTenant(tenantId, onSample) : parts.snapshots.watchJob(jobId, onSample);
    connections.add(connection);
    parts.metrics.streamsChanged(1);
    return connection;
  }

  /** true = the job's end was among it. */
  async function replay(replaying: {
    request: StreamRequest;
    to: Position;
    connection: ClientConnection;
    job: Job | undefined;
  }): Promise<boolean> {
    const { request, to, connection, job } = replaying;
    const from = request.from ?? (request.jobId === undefined ? to : BEGINNING);
    let before = from;
    for await (const { events, position } of replayEvents(parts.database, { tenantId: request.tenantId, jobId: request.jobId, from, to })) {
      const positions = positionsBehind(events, before, position);
      before = position;
      for (const [index, event] of events.entries()) {
        if (!connection.open) return true;
        if (isPastEnd(job, event)) continue;
        await connection.sendPatiently(eventMessage(event, positions[index] ?? before));
        parts.metrics.eventsDelivered(1);
        if (job && END_EVENTS.has(event.type)) return true;
      }
    }
    return false;
  }

  function deliverLive(
    live: { connection: ClientConnection; job: Job | undefined; since: Position },
    batch: Parameters<Listener>[0],
  ): void {
    const { connection, job, since } = live;
    const { before, after } = batch;
    const events = batch.events.filter((event) => !isVisible(since, event.xid));
    const positions = positionsBehind(events, before, after);
    for (const [index, event] of events.entries()) {
      if (!connection.open) return;
      if (isPastEnd(job, event)) continue;
      connection.send(eventMessage(event, positions[index] ?? before));
      parts.metrics.eventsDelivered(1);
      if (job && END_EVENTS.has(event.type)) return connection.end();
    }
  }

  return {
    open,
    close() {
      for (const connection of connections) connection.end();
    },
  };
}

/** The end before a retry is not the end, and would make clients leave. */
function isPastEnd(job: Job | undefined, event: StoredEvent): boolean {
  return job !== undefined && END_EVENTS.has(event.type) && event.id < job.lastStart;
}

/**
 * For a client that stands behind the end already: the end as it was said, under the id that the client gave, so that it
 * knows the message. Where the history is gone, what the job itself tells.
 */
async function endAgain(
  database: Database,
  { tenantId, from }: StreamRequest,
  { id, status, finishedAt, now }: Job & { status: "completed" | "failed" | "cancelled"; now: Position },
): Promise<string> {
  const position = from ?? now;
  const stored = await database.asTenant(tenantId, (transaction) => lastEvent(transaction, { tenantId, jobId: id, type: `job.${status}` }));
  return stored ? eventMessage(stored, position) : endMessage({ id, status, finishedAt }, position);
}

interface Job {
  readonly id: string;
  readonly status: JobStatus;
  readonly finishedAt: Date | null;
  /** The newest job.running among its events: ids of one job's changes of status grow with time, as each waits for the one before. */
  readonly lastStart: number;
}

/** The job before the place: where it has ended, its end lies before the place too. */
async function readStart(database: Database, { tenantId, jobId }: StreamRequest): Promise<{ job: Job | undefined; now: Position }> {
  return database.asTenant(tenantId, async (transaction) => {
    const job = jobId === undefined ? undefined : await readJob(transaction, tenantId, jobId);
    return { job, now: await currentPosition(transaction) };
  });
}

async function readJob(transaction: Transaction, tenantId: string, jobId: string): Promise<Job> {
  const [job] = await transaction.query<Job>(sql`
    SELECT jobs.id, jobs.status, jobs.finished_at AS "finishedAt",
      coalesce((SELECT max(events.id) FROM events WHERE events.job_id = jobs.id AND events.type = 'job.running'), 0)::bigint AS "lastStart"
    FROM jobs WHERE jobs.id = ${jobId}::uuid AND jobs.tenant_id = ${tenantId}::uuid`);
  if (!job) throw notFound("job", encodeId("job", jobId));
  return job;
}

function isEnd(status: JobStatus): status is "completed" | "failed" | "cancelled" {
  return TERMINAL_JOB_STATUSES.includes(status);
}
