import { createHash } from "node:crypto";
import type { ItemResource } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { ItemStatus } from "@filemill/contract/status.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound } from "../errors.ts";
import { readItemRows, type ItemRow } from "./item-rows.ts";
import { failureResource } from "./queries.ts";
import { displayLocation } from "./sources/display-location.ts";
import { outputFile, readOutputs, type OutputRow } from "./queries-outputs.ts";

export interface ItemQuery {
  readonly tenantId: string;
  /** uuid */
  readonly jobId: string;
  readonly limit: number;
  /** Ordinal of the last item of the page before. */
  readonly after?: number | undefined;
  readonly status?: ItemStatus | undefined;
}

export interface ItemPage {
  readonly data: ItemResource[];
  /** Ordinal to go on after, null at the end. */
  readonly next: number | null;
}

/** Ordinals looked at in one step, and the most in one request: with a filter a page may come back short, with more to come. */
const WINDOW = 1_000;
const MOST_WINDOWS = 20;
/** Outputs shown with one page; a step that emits many for one item is shown whole in outputs.zip. */
const MAX_PAGE_OUTPUTS = 10_000;

/**
 * The items of a job by ordinal. Their rows do not exist: a page is read from the tasks that hold its ordinals. Items
 * that only a reduce takes are not listed apart from it. Throws Problem not_found.
 */
export async function listItems(database: Database, query: ItemQuery): Promise<ItemPage> {
  const { tenantId, jobId, limit, status } = query;
  return await database.asTenant(tenantId, async (transaction) => {
    const [job] = await transaction.query<{ end: number }>(sql`
      SELECT next_ordinal AS end FROM jobs WHERE id = ${jobId} AND tenant_id = ${tenantId}`);
    if (!job) throw notFound("job", encodeId("job", jobId));
    const found: ItemRow[] = [];
    let from = (query.after ?? -1) + 1;
    const size = status === undefined ? limit : Math.max(limit, WINDOW);
    for (let windows = 0; from < job.end && found.length < limit && windows < MOST_WINDOWS; windows++) {
      const rows = await readItemRows(transaction, { jobId, from, to: Math.min(from + size, job.end) - 1 });
      found.push(...rows.filter((row) => status === undefined || row.status === status));
      from += size;
    }
    const page = found.slice(0, limit);
    const seen = found.length > limit ? (page.at(-1)?.ordinal ?? from) : from - 1;
    return { data: await resources(transaction, jobId, page), next: seen + 1 < job.end ? seen : null };
  });
}

async function resources(transaction: Transaction, jobId: string, rows: readonly ItemRow[]): Promise<ItemResource[]> {
  if (rows.length === 0) return [];
  const ordinals = rows.map((row) => row.ordinal);
  // A reduce's outputs have ordinals of their own kind: the node, or 0.
  const where = sql`o.ordinal = ANY(${ordinals}::int[]) AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = o.task_id AND t.kind = 'map')`;
  const outputs = Map.groupBy(await readOutputs(transaction, { jobId, where, limit: MAX_PAGE_OUTPUTS }), (output) => output.ordinal);
  return rows.map((row) => resourceOf(jobId, row, outputs.get(row.ordinal) ?? []));
}

function resourceOf(jobId: string, row: ItemRow, outputs: readonly OutputRow[]): ItemResource {
  const { input, error } = row;
  return {
    id: itemId(jobId, row.ordinal),
    ordinal: row.ordinal,
    parent_ordinal: row.parent < 0 ? null : row.parent,
    status: row.status,
    input: input && {
      id: encodeId("file", input.id),
      name: input.name,
      size: input.size,
      sha256: input.sha256,
      media_type: input.media_type,
    },
    outputs: outputs.map(outputFile),
    error: error && failureResource(error),
    attempts: row.attempts,
    source: row.location === null ? null : displayLocation(row.location),
  };
}

/** Items have no rows, so that their ids follow from the job and the ordinal. */
export function itemId(jobId: string, ordinal: number): string {
  const hex = createHash("sha256").update(`${jobId}:${ordinal}`).digest("hex").slice(0, 32);
  return encodeId("item", hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"));
}
