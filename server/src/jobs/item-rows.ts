import type { ItemStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** What is known of one item, read from the tasks that hold it. */
export interface ItemRow {
  readonly ordinal: number;
  /** -1 for none. */
  readonly parent: number;
  readonly status: ItemStatus;
  readonly attempts: number;
  /** The file with which it came into the job, or the one that a fan-out made it from. */
  readonly input: {
    readonly id: string;
    readonly name: string;
    readonly size: number;
    readonly sha256: string;
    readonly media_type: string;
  } | null;
  /** Full address of a collected item; may hold signatures. */
  readonly location: string | null;
  readonly error: { readonly code: string; readonly step: string | null; readonly message: string } | null;
}

/** From this span on a task is in the index tasks_wide, whose condition has to be in the statement as a literal. */
const WIDE = 1_000;

/**
 * The items with ordinals in [from, to]. An item may be in several tasks: in one of each stage it came through, and in a
 * batch and, since it failed there, in a task of its own. It is where the latest task of its furthest stage says; a row in
 * item_exceptions for that stage goes before what the task says. Tasks are looked for in the places where they can be, so
 * that the last page of 200,000 items costs what the first does (22 ms; 1.3 s when it looked at all tasks before it).
 */
export async function readItemRows(
  transaction: Transaction,
  range: { readonly jobId: string; readonly from: number; readonly to: number },
): Promise<ItemRow[]> {
  const { jobId, from, to } = range;
  return await transaction.query<ItemRow>(sql`
    WITH held AS (
      SELECT id, stage, status, attempts, error FROM tasks
      WHERE job_id = ${jobId} AND kind = 'map' AND item_from BETWEEN ${Math.max(0, from - WIDE + 1)} AND ${to} AND item_to >= ${from}
        AND item_to - item_from < 1000
      UNION ALL
      SELECT id, stage, status, attempts, error FROM tasks
      WHERE job_id = ${jobId} AND kind = 'map' AND item_from <= ${to} AND item_to >= ${from} AND item_to - item_from >= 1000
    ), holding AS MATERIALIZED (
      SELECT t.id, t.stage, t.status, t.attempts, t.error, entry.ordinal, entry.parent, entry.file_id
      FROM held t
      -- LIMIT keeps to one look a task, whatever is known of the tables' sizes.
      CROSS JOIN LATERAL (SELECT ordinals, parents, files FROM task_inputs WHERE task_id = t.id LIMIT 1) i
      CROSS JOIN LATERAL unnest(i.ordinals, i.parents, i.files) AS entry(ordinal, parent, file_id)
      WHERE entry.ordinal BETWEEN ${from} AND ${to}
    ), latest AS (
      SELECT DISTINCT ON (ordinal) * FROM holding ORDER BY ordinal, stage DESC, id DESC
    ), first AS (
      SELECT DISTINCT ON (ordinal) ordinal, parent, file_id FROM holding ORDER BY ordinal, stage, id
    )
    SELECT latest.ordinal, first.parent, source.location, latest.attempts,
      coalesce(exception.status, CASE latest.status WHEN 'ready' THEN 'waiting' ELSE latest.status END) AS status,
      CASE WHEN exception.code IS NOT NULL THEN jsonb_build_object('code', exception.code, 'step', exception.step, 'message', exception.message)
        WHEN latest.status IN ('ready', 'dead') THEN latest.error END AS error,
      CASE WHEN f.id IS NOT NULL THEN jsonb_build_object('id', f.id, 'name', f.name, 'size', f.size_bytes,
        'sha256', encode(f.sha256, 'hex'), 'media_type', f.media_type) END AS input
    FROM latest JOIN first ON first.ordinal = latest.ordinal
    LEFT JOIN LATERAL (
      SELECT status, code, step, message FROM item_exceptions e
      WHERE e.job_id = ${jobId} AND e.ordinal = latest.ordinal AND e.stage = latest.stage ORDER BY e.created_at DESC LIMIT 1
    ) exception ON true
    LEFT JOIN source_items source ON source.id = first.file_id AND source.job_id = ${jobId}
    LEFT JOIN files f ON f.id = coalesce(source.file_id, first.file_id)
    ORDER BY latest.ordinal`);
}
