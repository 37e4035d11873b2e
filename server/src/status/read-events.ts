import type { Database, Transaction } from "../db/database.ts";
import { allOf, sql, type Statement } from "../db/sql.ts";
import { EVENT_TYPES, type EventType } from "@filemill/contract/events.ts";
import { fromSnapshot, toSnapshot, upTo, type Position } from "./position.ts";

export interface StoredEvent {
  readonly id: number;
  /** The transaction that wrote it. */
  readonly xid: bigint;
  readonly tenantId: string;
  readonly jobId: string | null;
  readonly type: EventType;
  readonly data: Readonly<Record<string, unknown>>;
  readonly at: Date;
}

const PAGE = 1_000;

/** Where the log of events ends now. */
export async function currentPosition(transaction: Transaction): Promise<Position> {
  const [row] = await transaction.query<{ snapshot: string }>(sql`SELECT pg_current_snapshot()::text AS snapshot`);
  if (!row) throw new Error("PostgreSQL gave no snapshot.");
  return fromSnapshot(row.snapshot);
}

/** All tenants' events behind `since`, and the place they lead to. One snapshot for all pages, so that none falls between two. */
export async function readNewEvents(database: Database, since: Position): Promise<{ events: StoredEvent[]; position: Position }> {
  return database.asSystem(async (transaction) => {
    await transaction.execute(sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`);
    const position = await currentPosition(transaction);
    const events: StoredEvent[] = [];
    for await (const page of pages(transaction, behind(since))) events.push(...page);
    return { events, position };
  });
}

/** The newest event of one type of a job, undefined where it is not kept any more. */
export async function lastEvent(
  transaction: Transaction,
  { tenantId, jobId, type }: { readonly tenantId: string; readonly jobId: string; readonly type: EventType },
): Promise<StoredEvent | undefined> {
  const [row] = await transaction.query<Row>(sql`
    SELECT id, xid::text, tenant_id, job_id, type, data, created_at FROM events
    WHERE tenant_id = ${tenantId}::uuid AND job_id = ${jobId}::uuid AND type = ${type} ORDER BY events.id DESC LIMIT 1`);
  return row && stored(row);
}

export interface Replay {
  readonly tenantId: string;
  readonly jobId: string | undefined;
  readonly from: Position;
  readonly to: Position;
}

/**
 * Events of one tenant (and one job) behind `from`, up to `to`, in pages that each are a transaction of its own; with the
 * place that a page leads to. A transaction may be cut by the end of a page: the place is then before it.
 */
export async function* replayEvents(
  database: Database,
  { tenantId, jobId, from, to }: Replay,
): AsyncGenerator<{ events: StoredEvent[]; position: Position }, void, undefined> {
  const conditions = [sql`tenant_id = ${tenantId}::uuid`, behind(from), sql`pg_visible_in_snapshot(xid, ${toSnapshot(to)}::pg_snapshot)`];
  if (jobId !== undefined) conditions.push(sql`job_id = ${jobId}::uuid`);
  let after: StoredEvent | undefined;
  do {
    const start = after;
    const events = await database.asTenant(tenantId, (transaction) => readPage(transaction, allOf(conditions), start));
    after = events.length < PAGE ? undefined : events.at(-1);
    yield { events, position: after === undefined ? to : upTo(to, after.xid - 1n) };
  } while (after !== undefined);
}

function behind(position: Position): Statement {
  return sql`xid >= ${String(position.xmin)}::xid8 AND NOT pg_visible_in_snapshot(xid, ${toSnapshot(position)}::pg_snapshot)`;
}

async function* pages(transaction: Transaction, condition: Statement): AsyncGenerator<StoredEvent[], void, undefined> {
  let after: StoredEvent | undefined;
  do {
    const page = await readPage(transaction, condition, after);
    yield page;
    after = page.length < PAGE ? undefined : page.at(-1);
  } while (after !== undefined);
}

interface Row {
  readonly id: number;
  readonly xid: string;
  readonly tenant_id: string;
  readonly job_id: string | null;
  readonly type: EventType;
  readonly data: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
}

async function readPage(transaction: Transaction, condition: Statement, after: StoredEvent | undefined): Promise<StoredEvent[]> {
  const start = after === undefined ? sql`TRUE` : sql`(xid, id) > (${String(after.xid)}::xid8, ${after.id}::bigint)`;
  // A later version may write types that this one does not know; left out here, so that a short page is the last one.
  const rows = await transaction.query<Row>(sql`
    SELECT id, xid::text, tenant_id, job_id, type, data, created_at
    FROM events WHERE ${condition} AND ${start} AND type = ANY(${EVENT_TYPES}::text[]) ORDER BY events.xid, events.id LIMIT ${PAGE}`);
  return rows.map(stored);
}

function stored(row: Row): StoredEvent {
  return {
    id: row.id,
    xid: BigInt(row.xid),
    tenantId: row.tenant_id,
    jobId: row.job_id,
    type: row.type,
    data: row.data,
    at: row.created_at,
  };
}
