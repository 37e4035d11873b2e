import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import type { SourceKind } from "@filemill/contract/source.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { failpoint } from "../../failpoint.ts";
import { hold } from "../../queue/hold.ts";
import { goOn, pause } from "../../queue/pause.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import { advanceJobs } from "../advance/advance-jobs.ts";
import { newAdvance, type PendingEntry } from "../advance/deliveries.ts";
import type { Plan } from "../plan.ts";
import { isFarAhead } from "./ahead.ts";
import type { SourceInput, SourcePage } from "./source.ts";

export interface PageToCommit {
  readonly task: ClaimedTask;
  readonly plan: Plan;
  readonly workerId: string;
  readonly kind: SourceKind;
  readonly page: SourcePage;
}

export interface CommittedPage {
  /** Lanes that got work, to be announced after the commit. */
  readonly lanes: ReadonlySet<string>;
  /** Items that the page made. */
  readonly items: number;
  /** The task was handed back, to go on later: there is nothing new for the moment, or enough to do. */
  readonly paused: boolean;
}

/** A source that is far ahead looks again after so long; a worker's recovery comes by every 3 s. */
const AHEAD_PAUSE_MS = 2_000;
/** What an object whose size is not known counts in packing: eight to a task, which are fetched at the same time. */
const UNKNOWN_SIZE = 256 * 1_024;

/**
 * Makes the items of one page, their tasks and the new cursor true, in the caller's transaction and only while the task
 * is held under this epoch: undefined where it is not. So a worker that dies anywhere has listed a page or has not, and
 * the next one goes on at the cursor. A page shows that the source works: what was charged for earlier trouble is
 * forgotten. Throws JobsCancelled.
 */
export async function commitPage(transaction: Transaction, commit: PageToCommit): Promise<CommittedPage | undefined> {
  const { task, plan, workerId, page } = commit;
  const held = await hold(transaction, workerId, [{ taskId: task.id, epoch: task.epoch }]);
  if (!held.has(task.id)) return undefined;
  await failpoint("source-page-after-hold");
  const found = page.inputs.map((input) => ({ ...input, id: uuidv7(), identity: identityOf(commit.kind, input.location) }));
  const items = page.take === "unseen" ? await unseen(transaction, task, found) : found;
  await insertItems(transaction, task, items);
  const advance = newAdvance({ jobId: task.jobId, tenantId: task.tenantId, priority: task.priority, plan });
  if (items.length > 0) advance.entries.set(1, items.map(pendingEntry));
  const { lanes } = await advanceJobs(transaction, [advance]);
  await transaction.execute(sql`
    UPDATE job_sources SET cursor = ${JSON.stringify(page.cursor)}::jsonb, listed = listed + ${items.length} WHERE job_id = ${task.jobId}::uuid`);
  const delayMs = page.pauseMs ?? ((await isFarAhead(transaction, task.jobId)) ? AHEAD_PAUSE_MS : undefined);
  if (delayMs === undefined) await goOn(transaction, task.id);
  else await pause(transaction, { taskId: task.id, delayMs });
  await failpoint("source-page-before-commit");
  return { lanes, items: items.length, paused: delayMs !== undefined };
}

/** Before a page is listed: hands the task back where there is enough to do. Does nothing where it is not held any more. */
export async function waitIfAhead(
  transaction: Transaction,
  { task, workerId }: { task: ClaimedTask; workerId: string },
): Promise<"waits" | "goes_on"> {
  if (!(await isFarAhead(transaction, task.jobId))) return "goes_on";
  const held = await hold(transaction, workerId, [{ taskId: task.id, epoch: task.epoch }]);
  if (held.has(task.id)) await pause(transaction, { taskId: task.id, delayMs: AHEAD_PAUSE_MS });
  return "waits";
}

/** Tells objects apart without keeping the address, which may hold a signature. */
export function identityOf(kind: SourceKind, location: string): Buffer {
  return createHash("sha256").update(`${kind}\n${location}`).digest();
}

interface FoundItem extends SourceInput {
  readonly id: string;
  readonly identity: Buffer;
}

function pendingEntry(item: FoundItem): PendingEntry {
  return { ordinal: undefined, parent: -1, fileId: item.id, from: "", sizeBytes: item.sizeBytes ?? UNKNOWN_SIZE };
}

async function unseen(transaction: Transaction, task: ClaimedTask, found: readonly FoundItem[]): Promise<FoundItem[]> {
  const rows = await transaction.query<{ place: number }>(sql`
    SELECT given.place::int AS place
    FROM unnest(${found.map((item) => item.identity)}::bytea[], ${found.map((item) => item.etag ?? "")}::text[])
      WITH ORDINALITY AS given(identity, etag, place)
    WHERE NOT EXISTS (
      SELECT FROM source_items
      WHERE job_id = ${task.jobId}::uuid AND source_items.identity = given.identity AND coalesce(source_items.etag, '') = given.etag)
    ORDER BY given.place`);
  return rows.flatMap(({ place }) => found[place - 1] ?? []);
}

async function insertItems(transaction: Transaction, task: ClaimedTask, items: readonly FoundItem[]): Promise<void> {
  if (items.length === 0) return;
  const column = <T>(pick: (item: FoundItem) => T): T[] => items.map(pick);
  await transaction.execute(sql`
    INSERT INTO source_items (id, tenant_id, job_id, identity, location, name, size_bytes, etag, modified_at)
    SELECT id, ${task.tenantId}::uuid, ${task.jobId}::uuid, identity, location, name, size_bytes, etag, modified_at
    FROM unnest(
      ${column((item) => item.id)}::uuid[], ${column((item) => item.identity)}::bytea[], ${column((item) => item.location)}::text[],
      ${column((item) => item.name)}::text[], ${column((item) => item.sizeBytes ?? null)}::bigint[],
      ${column((item) => item.etag ?? null)}::text[], ${column((item) => item.modifiedAt?.toISOString() ?? null)}::timestamptz[]
    ) AS given(id, identity, location, name, size_bytes, etag, modified_at)`);
}
