import type { FileSummary } from "@filemill/contract/files.ts";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { Problem } from "../errors.ts";
import { isBulkId } from "../record/bulk-id.ts";
import { lockBulkInputs } from "../record/bulk-rows.ts";

export interface JobInput {
  readonly fileId: string;
  readonly sizeBytes: number;
  /** What the answer says of it; undefined beyond the first files of a bulk. */
  readonly told: FileSummary | undefined;
}

export const MAX_JOB_INPUTS = 100_000;
const MAX_MISSING_NAMED = 20;
/** Of a bulk, so that the answer stays small. */
const MAX_TOLD = 100;

/**
 * The files in the order asked for, held until the commit, so that none is deleted between this look and the job. The id of
 * a bulk stands for all its files. Throws Problem `not_found` with every id that is not there, `validation_failed` for too many.
 */
export async function lockInputs(transaction: Transaction, tenantId: string, ids: readonly string[]): Promise<JobInput[]> {
  const found = await lockFiles(transaction, tenantId, ids);
  const missing: number[] = [];
  const inputs: JobInput[] = [];
  for (const [index, id] of ids.entries()) {
    const file = found.get(id);
    const those = file ? [file] : await inputsOfBulk(transaction, id);
    if (those.length === 0) missing.push(index);
    for (const input of those) inputs.push(input);
    if (inputs.length > MAX_JOB_INPUTS) throw tooMany();
  }
  if (missing.length > 0) throw missingInputs(ids, missing);
  return inputs;
}

async function lockFiles(transaction: Transaction, tenantId: string, ids: readonly string[]): Promise<Map<string, JobInput>> {
  const uuids = new Set(ids.flatMap((id) => decodeId("file", id) ?? []));
  const rows = await transaction.query<Omit<FileSummary, "id"> & { uuid: string }>(sql`
    SELECT id AS uuid, name, size_bytes AS size, encode(sha256, 'hex') AS sha256, media_type FROM files
    WHERE id = ANY(${[...uuids]}::uuid[])
      AND tenant_id = ${tenantId} AND status = 'stored' AND origin <> 'intermediate' ORDER BY id FOR SHARE`);
  return new Map(
    rows.map(({ uuid, ...file }) => {
      const id = encodeId("file", uuid);
      return [id, { fileId: uuid, sizeBytes: file.size, told: { id, ...file } }];
    }),
  );
}

async function inputsOfBulk(transaction: Transaction, id: string): Promise<JobInput[]> {
  const bulkId = decodeId("bulk", id);
  if (bulkId === undefined || !isBulkId(bulkId)) return [];
  const rows = await lockBulkInputs(transaction, { bulkId, limit: MAX_JOB_INPUTS + 1 });
  return rows.map(({ id: fileId, size_bytes: sizeBytes, ...row }, index) => {
    const { name, media_type } = row;
    const told = { id: encodeId("file", fileId), name, size: sizeBytes, sha256: row.sha256.toString("hex"), media_type };
    return { fileId, sizeBytes, told: index < MAX_TOLD ? told : undefined };
  });
}

function tooMany(): Problem {
  const issues = [{ pointer: "/inputs", message: `are more than ${MAX_JOB_INPUTS} files` }];
  return new Problem("validation_failed", `A job takes at most ${MAX_JOB_INPUTS} files by their ids. Make several jobs.`, { issues });
}

function missingInputs(ids: readonly string[], missing: readonly number[]): Problem {
  const named = missing.slice(0, MAX_MISSING_NAMED);
  const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : "";
  const issues = named.map((index) => ({ pointer: `/inputs/${index}`, message: `there is no file "${ids[index]}"` }));
  const list = named.map((index) => `"${ids[index]}"`).join(", ");
  return new Problem("not_found", `There is no file ${list}${more}.`, { issues });
}
