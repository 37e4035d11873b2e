import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { readManifests, type FileManifest } from "./content.ts";

/** Unused for so long, a result is forgotten. Those of which a file only crosses a stage boundary live as long as such a file can. */
const KEEP_DAYS = 30;
const KEEP_INTERMEDIATES_DAYS = 7;
/** A hit moves the end at most once a day, so that reading costs no writing. */
const EXTEND_AFTER_DAYS = 1;
const INPUT = "00000000-0000-0000-0000-000000000000";

/** One output of an earlier result, in the order in which they were emitted. */
export interface CachedOutput {
  /** The step's place in its stage. */
  readonly step: number;
  /** "input": the step handed its input on unchanged. */
  readonly file: FileManifest | "input";
}

export interface ResultRow {
  readonly tenantId: string;
  readonly key: Buffer;
  readonly outputs: readonly { readonly step: number; readonly fileId: string | "input" }[];
  /** Does one of its files only cross a stage boundary? */
  readonly isShortLived: boolean;
}

/**
 * Results of these keys whose files are all still stored, by the key in hex. An entry that is over, or of which a file is gone, is deleted
 * here: it will never serve again, and would keep its place from the next. As the system; one statement where there is nothing to find.
 */
export async function findResults(
  transaction: Transaction,
  { tenantId, keys }: { readonly tenantId: string; readonly keys: readonly Buffer[] },
): Promise<Map<string, CachedOutput[]>> {
  const rows = await transaction.query<{ key: string; steps: number[]; files: string[]; isOld: boolean; isOver: boolean }>(sql`
    SELECT encode(key, 'hex') AS key, steps, files,
      expires_at < now() + ${KEEP_DAYS - EXTEND_AFTER_DAYS} * interval '1 day' AS "isOld", expires_at <= now() AS "isOver"
    FROM cached_results WHERE tenant_id = ${tenantId}::uuid AND key = ANY(${keys}::bytea[])`);
  if (rows.length === 0) return new Map();
  const ids = new Set(rows.flatMap((row) => row.files));
  ids.delete(INPUT);
  const manifests = new Map((await readManifests(transaction, tenantId, [...ids])).map((manifest) => [manifest.id, manifest]));
  const found = new Map<string, CachedOutput[]>();
  const gone: string[] = [];
  const old: string[] = [];
  for (const { key, steps, files, isOld, isOver } of rows) {
    const outputs = files.map((id, place) => outputOf(id, steps[place] ?? 0, manifests));
    if (isOver || outputs.includes(undefined)) {
      gone.push(key);
      continue;
    }
    found.set(
      key,
      outputs.flatMap((output) => output ?? []),
    );
    if (isOld && !files.some((id) => (manifests.get(id)?.origin ?? "output") === "intermediate")) old.push(key);
  }
  if (gone.length > 0) await forgetResults(transaction, { tenantId, keys: gone.map((key) => Buffer.from(key, "hex")) });
  if (old.length > 0) await extend(transaction, { tenantId, keys: old.map((key) => Buffer.from(key, "hex")) });
  return found;
}

function outputOf(id: string, step: number, manifests: ReadonlyMap<string, FileManifest>): CachedOutput | undefined {
  const file = id === INPUT ? ("input" as const) : manifests.get(id);
  return file && { step, file };
}

/**
 * In the fenced transaction that ends a task, so that only what succeeded and was recorded is remembered. Sorted, because
 * two transactions may bring the same keys; the first one's stay.
 */
export async function rememberResults(transaction: Transaction, results: readonly ResultRow[]): Promise<void> {
  if (results.length === 0) return;
  const column = <T>(pick: (row: ResultRow) => T): T[] => results.map(pick);
  await transaction.execute(sql`
    INSERT INTO cached_results (tenant_id, key, steps, files, expires_at)
    SELECT tenant_id, key, steps::smallint[], files::uuid[], now() + days * interval '1 day'
    FROM unnest(
      ${column((row) => row.tenantId)}::uuid[], ${column((row) => row.key)}::bytea[],
      ${column((row) => `{${row.outputs.map((output) => output.step).join(",")}}`)}::text[],
      ${column((row) => `{${row.outputs.map(({ fileId }) => (fileId === "input" ? INPUT : fileId)).join(",")}}`)}::text[],
      ${column((row) => (row.isShortLived ? KEEP_INTERMEDIATES_DAYS : KEEP_DAYS))}::int[]
    ) AS given(tenant_id, key, steps, files, days)
    ORDER BY tenant_id, key
    ON CONFLICT (tenant_id, key) DO NOTHING`);
}

/** Rows that another transaction holds are left to it, so that nobody waits in a circle. */
export async function forgetResults(
  transaction: Transaction,
  { tenantId, keys }: { readonly tenantId: string; readonly keys: readonly Buffer[] },
): Promise<void> {
  await transaction.execute(sql`
    DELETE FROM cached_results WHERE tenant_id = ${tenantId}::uuid AND key = ANY(ARRAY(
      SELECT key FROM cached_results WHERE tenant_id = ${tenantId}::uuid AND key = ANY(${keys}::bytea[]) FOR UPDATE SKIP LOCKED))`);
}

async function extend(
  transaction: Transaction,
  { tenantId, keys }: { readonly tenantId: string; readonly keys: readonly Buffer[] },
): Promise<void> {
  await transaction.execute(sql`
    UPDATE cached_results SET expires_at = now() + ${KEEP_DAYS} * interval '1 day'
    WHERE tenant_id = ${tenantId}::uuid AND key = ANY(ARRAY(
      SELECT key FROM cached_results WHERE tenant_id = ${tenantId}::uuid AND key = ANY(${keys}::bytea[]) FOR UPDATE SKIP LOCKED))`);
}
