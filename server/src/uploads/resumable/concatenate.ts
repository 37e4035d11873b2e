import { encodeId } from "@filemill/contract/ids.ts";
import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { notFound, Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import { resolvePipeline } from "../../jobs/pipelines/resolve.ts";
import { appendAudits } from "../../record/audit.ts";
import { insertFiles, type StoredFile } from "../../record/files.ts";
import type { ContentManifest } from "../../storage/stored-content.ts";
import { tooLarge } from "../receive.ts";
import { auditOf } from "../record-together.ts";
import type { Finished } from "./finish.ts";
import type { Described } from "./headers.ts";
import { makeFile } from "./make-file.ts";
import { deleteUploadSegments, readManifest } from "./progress-rows.ts";
import { MAX_SEGMENTS } from "./protocol.ts";
import type { ResumableServices } from "./resumable.ts";
import { giveRoomBack, holdRoom } from "./room.ts";
import { assertThere, UPLOAD_COLUMNS, type UploadRow } from "./upload-row.ts";
import { submitOver, type Submitted } from "./submit-over.ts";

export interface Concatenation {
  readonly tenantId: string;
  readonly actor: string;
  /** Ids, in the order of their contents. */
  readonly partials: readonly string[];
  readonly described: Described;
  readonly sentMetadata: string | undefined;
  readonly sentConcat: string;
}

/** Of the final's own content, where it is small enough to become one row. */
const EPOCH = 1;

/**
 * Makes a file of completed partial uploads: their rows become its segments, in one transaction; no byte is copied. The
 * content is read once before, because the hash of a whole can't be had from those of its parts. A partial belongs to one
 * final: "The Server MAY delete partial uploads after concatenation." The same request again gives the same final, for the
 * client that heard no answer.
 *
 * Throws Problem `not_found` for a URL that is no partial upload of this tenant, `conflict` for one that is not complete,
 * `gone`, `validation_failed`, `file_too_large`; StorageError.
 */
export async function concatenate(services: ResumableServices, concatenation: Concatenation): Promise<Concatenated> {
  try {
    return await join(services, concatenation);
  } catch (error) {
    if (!(error instanceof Problem && error.code === "conflict")) throw error;
    // The very same request, sent again while the first was still reading, may have been that other one.
    const made = await services.database.asTenant(concatenation.tenantId, async (transaction) =>
      madeOf(transaction, await findPartials(transaction, concatenation), concatenation),
    );
    if (made) return { upload: made };
    throw error;
  }
}

interface Concatenated {
  readonly upload: UploadRow;
  /** Where this request made it. */
  readonly finished?: Finished;
}

async function join(services: ResumableServices, concatenation: Concatenation): Promise<Concatenated> {
  const { database, catalogue, contents, limits } = services;
  const { tenantId, partials, described } = concatenation;
  if (new Set(partials).size !== partials.length && partials.every((id) => id !== "")) {
    throw new Problem("validation_failed", "Upload-Concat names a partial upload twice; each can be used once.");
  }
  const found = await database.asTenant(tenantId, async (transaction) => {
    const rows = await findPartials(transaction, concatenation);
    const final = await madeOf(transaction, rows, concatenation);
    if (final) return { final };
    requireComplete(rows);
    if (described.pipeline) await resolvePipeline(transaction, described.pipeline, catalogue);
    return { rows, manifests: await inTurn(rows, (row) => readManifest(transaction, row)) };
  });
  if ("final" in found) return { upload: found.final };
  const upload = finalOf(concatenation);
  const manifest = joined(upload, found.manifests);
  if (manifest.sizeBytes > limits.maxFileBytes) throw tooLarge(limits.maxFileBytes);
  if (manifest.segments.length > MAX_SEGMENTS) {
    throw new Problem("validation_failed", `A file takes at most ${MAX_SEGMENTS} parts; send larger ones.`);
  }
  const { file, replaced } = await makeFile(services, upload, { manifest, known: { hash: undefined, head: undefined } });
  await holdRoom(services, { id: upload.fileId, tenantId, kind: "final" }, 0);
  let committing = false;
  try {
    const result = await database.asTenant(tenantId, async (transaction) => {
      await joinPartials(transaction, found.rows);
      await insertFiles(transaction, [file]);
      if (replaced) await deleteUploadSegments(transaction, partials);
      else await moveSegments(transaction, { fileId: file.id, partials });
      await giveRoomBack(transaction, [upload.fileId, ...partials]);
      await appendAudits(transaction, auditOf({ ...concatenation, files: [file] }));
      const submitted = await submitOver(transaction, services, { pipeline: described.pipeline ?? null, file });
      const final = await insertFinal(transaction, concatenation, { file, segments: manifest.segments.length, ...submitted });
      await failpoint("tus-concat-before-commit");
      committing = true;
      return { final, ...submitted };
    });
    await failpoint("tus-concat-after-commit");
    if (replaced) await contents.discard({ segments: manifest.segments });
    const { final, job } = result;
    return { upload: final, finished: { file, lanes: job?.lanes ?? new Set() } };
  } catch (error) {
    if (!committing) {
      if (replaced) await contents.discard(file.content);
      await database.asTenant(tenantId, (transaction) => giveRoomBack(transaction, [upload.fileId])).catch(() => undefined);
    }
    throw error;
  }
}

/** In the order in which they were named. */
async function findPartials(transaction: Transaction, { tenantId, partials }: Concatenation): Promise<UploadRow[]> {
  const known = partials.filter((id) => id !== "");
  const rows = await transaction.query<UploadRow>(sql`
    SELECT ${UPLOAD_COLUMNS} FROM uploads WHERE tenant_id = ${tenantId}::uuid AND id = ANY(${known}::uuid[]) AND kind = 'partial'`);
  return partials.map((id, index) => {
    const row = rows.find((candidate) => candidate.id === id);
    if (row === undefined) throw notFound("partial upload", id === "" ? `number ${index + 1} of Upload-Concat` : encodeId("upload", id));
    return row;
  });
}

/** What the very same request made of these partials before. */
async function madeOf(
  transaction: Transaction,
  rows: readonly UploadRow[],
  { tenantId, sentConcat }: Concatenation,
): Promise<UploadRow | undefined> {
  if (rows.length === 0 || rows.some(({ status }) => status !== "joined")) return undefined;
  const [final] = await transaction.query<UploadRow>(sql`
    SELECT ${UPLOAD_COLUMNS} FROM uploads
    WHERE finished_at = (SELECT finished_at FROM uploads WHERE id = ${rows[0]?.id}::uuid) AND tenant_id = ${tenantId}::uuid
      AND kind = 'final' AND sent_concat = ${sentConcat}`);
  return final;
}

function requireComplete(rows: readonly UploadRow[]): void {
  for (const row of rows) {
    assertThere(row, row.id);
    if (row.status !== "completed") {
      throw new Problem("conflict", `The partial upload "${encodeId("upload", row.id)}" is not complete. Complete it and send this again.`);
    }
  }
}

function finalOf({ tenantId, described }: Concatenation) {
  const { name, metadata, expiresAt = null } = described;
  return { fileId: uuidv7(), tenantId, name, metadata, fileExpiresAt: expiresAt, hashState: null, hashedBytes: 0, epoch: EPOCH };
}

/** "The partial uploads MUST be concatenated as per the order specified in the list." */
function joined({ fileId, tenantId }: { fileId: string; tenantId: string }, manifests: readonly ContentManifest[]): ContentManifest {
  const sizeBytes = manifests.reduce((sum, manifest) => sum + manifest.sizeBytes, 0);
  return { id: fileId, tenantId, sizeBytes, inline: null, segments: manifests.flatMap(({ segments }) => segments) };
}

/** Throws Problem `conflict` where one of them ended meanwhile, so that nothing of the transaction happens. */
async function joinPartials(transaction: Transaction, rows: readonly UploadRow[]): Promise<void> {
  const ids = rows.map(({ id }) => id).toSorted();
  await transaction.query(sql`SELECT id FROM uploads WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`);
  const changed = await transaction.execute(sql`
    UPDATE uploads SET status = 'joined', finished_at = now()
    WHERE id = ANY(${ids}::uuid[]) AND kind = 'partial' AND status = 'completed'`);
  if (changed < ids.length) throw new Problem("conflict", "A partial upload was used or ended by another request meanwhile.");
}

async function moveSegments(
  transaction: Transaction,
  { fileId, partials }: { fileId: string; partials: readonly string[] },
): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO segments (file_id, tenant_id, ordinal, store, object_key, size_bytes, encoding, object_id)
    SELECT ${fileId}::uuid, tenant_id, row_number() OVER (ORDER BY place, ordinal) - 1, store, object_key, size_bytes, encoding, object_id
    FROM unnest(${partials}::uuid[]) WITH ORDINALITY AS given(upload_id, place) JOIN upload_segments USING (upload_id)`);
  await transaction.execute(sql`DELETE FROM upload_segments WHERE upload_id = ANY(${partials}::uuid[])`);
}

async function insertFinal(
  transaction: Transaction,
  { tenantId, actor, described, sentMetadata, sentConcat }: Concatenation,
  { file, segments, job, problem }: Submitted & { file: StoredFile; segments: number },
): Promise<UploadRow> {
  const [row] = await transaction.query<UploadRow>(sql`
    INSERT INTO uploads (id, tenant_id, file_id, kind, status, actor, name, metadata, pipeline, sent_metadata, sent_concat,
      length, upload_offset, segments, hashed_bytes, job_id, job_problem, expires_at, finished_at)
    VALUES (${uuidv7()}::uuid, ${tenantId}::uuid, ${file.id}::uuid, 'final', 'completed', ${actor}, ${file.name}, ${JSON.stringify(file.metadata)}::jsonb,
      ${described.pipeline ? JSON.stringify(described.pipeline) : null}::jsonb, ${sentMetadata ?? null}, ${sentConcat},
      ${file.sizeBytes}, ${file.sizeBytes}, ${segments}, ${file.sizeBytes}, ${job?.jobId ?? null}::uuid,
      ${problem ? JSON.stringify(problem) : null}::jsonb, now(), now())
    RETURNING ${UPLOAD_COLUMNS}`);
  if (row === undefined) throw new Error("INSERT gave no row");
  return row;
}

/** A transaction takes one statement at a time. */
async function inTurn<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await work(one));
  return results;
}
