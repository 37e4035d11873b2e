import type { EventType } from "@filemill/contract/events.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";

/** Channel on which readers of events are told, after a commit, that there are new ones. */
export const EVENTS_CHANNEL = "filemill_events";

/** Something that happened to a tenant's things, as people and webhooks will be told. */
export interface EventRow {
  readonly tenantId: string;
  /** null or left out where it belongs to no job. */
  readonly jobId?: string | null;
  readonly type: EventType;
  /** What the wire format shows as `data`; snake_case, public ids only. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Records events with the change that they tell of, in the same transaction; one statement however many. They get their
 * order from the transaction's id, not from this call: readers use the watermark over `xid`.
 */
export async function appendEvents(transaction: Transaction, rows: readonly EventRow[]): Promise<void> {
  const insertion = eventsInsertion(rows);
  if (insertion !== undefined) await transaction.execute(insertion);
}

/** To be one statement with what the events tell of. Undefined where there are none. */
export function eventsInsertion(rows: readonly EventRow[]): Statement | undefined {
  if (rows.length === 0) return undefined;
  return sql`
    INSERT INTO events (tenant_id, job_id, type, data)
    SELECT * FROM unnest(
      ${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.jobId ?? null)}::uuid[],
      ${rows.map((row) => row.type)}::text[], ${rows.map((row) => JSON.stringify(row.data))}::jsonb[])`;
}
