import { encodeId } from "@filemill/contract/ids.ts";
import type { Metadata } from "@filemill/contract/files.ts";
import { byteaArray } from "../db/bytea-array.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import type { StoredContent } from "../storage/stored-content.ts";
import { auditsInsertion, type AuditEntry } from "./audit.ts";
import { eventsInsertion, type EventRow } from "./events.ts";
import { fileSourcesInsertion, type FileSource } from "./file-sources.ts";
import { insertion } from "./object-keys.ts";

/** A file whose bytes are durable and whose rows are not there yet. */
export interface StoredFile {
  /** UUIDv7. */
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** 32 bytes, of the plain content. */
  readonly sha256: Buffer;
  readonly mediaType: string;
  readonly origin: "upload" | "output" | "intermediate";
  /** Of outputs and intermediates. */
  readonly jobId?: string;
  readonly step?: string;
  readonly metadata: Metadata;
  readonly content: StoredContent;
  /** Of an upload that a job has collected: where from. */
  readonly source?: FileSource;
  /** When it ends by itself. Left out: after `keepMs`, else as long as the tenant keeps its files. */
  readonly expiresAt?: Date;
  readonly keepMs?: number | undefined;
}

/**
 * Makes stored content visible: the rows of files, their segments and inline contents, and an event `file.stored` for every
 * upload (outputs and what a job collects show as progress of the job, not as an event each). Inside the caller's
 * transaction, as the tenant or as the system.
 */
export async function insertFiles(transaction: Transaction, files: readonly StoredFile[]): Promise<void> {
  await recordFiles(transaction, { files, audits: [] });
}

/**
 * As insertFiles, with entries in the audit log. All of it is one statement: requests of one tenant wait for the transaction
 * before theirs, so that each round trip less is one that they all wait less.
 */
export async function recordFiles(
  transaction: Transaction,
  { files, audits }: { readonly files: readonly StoredFile[]; readonly audits: readonly AuditEntry[] },
): Promise<void> {
  const insertions = [
    filesInsertion(files),
    ...segmentsInsertions(files),
    ...inlineInsertions(files),
    fileSourcesInsertion(files),
    eventsInsertion(storedEvents(files)),
    auditsInsertion(audits),
  ].filter((insertion) => insertion !== undefined);
  if (insertions.length > 0) await transaction.execute(inOne(insertions));
}

/** Each inserts into a table of its own; keys between them are looked at when all have been carried out. */
function inOne(insertions: readonly Statement[]): Statement {
  const parts = insertions.map((insertion, index) => sql`${{ text: `part${index}`, values: [] }} AS (${insertion})`);
  return sql`WITH ${parts.reduce((joined, part) => sql`${joined}, ${part}`)} SELECT`;
}

function filesInsertion(files: readonly StoredFile[]): Statement | undefined {
  if (files.length === 0) return undefined;
  return sql`
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin, job_id, step, metadata, expires_at)
    SELECT given.id, tenant_id, given.name, size_bytes, sha256, media_type, origin, job_id, step, metadata,
      coalesce(expires_at, now() + coalesce(keep_ms, tenants.retention_seconds * 1000) * interval '1 millisecond')
    FROM unnest(
      ${files.map(({ id }) => id)}::uuid[], ${files.map(({ tenantId }) => tenantId)}::uuid[], ${files.map(({ name }) => name)}::text[],
      ${files.map(({ sizeBytes }) => sizeBytes)}::bigint[], ${byteaArray(files.map(({ sha256 }) => sha256))}::bytea[],
      ${files.map(({ mediaType }) => mediaType)}::text[], ${files.map(({ origin }) => origin)}::text[],
      ${files.map(({ jobId }) => jobId ?? null)}::uuid[], ${files.map(({ step }) => step ?? null)}::text[],
      ${files.map(({ metadata }) => JSON.stringify(metadata))}::jsonb[], ${files.map(({ expiresAt }) => expiresAt ?? null)}::timestamptz[],
      ${files.map(({ keepMs }) => keepMs ?? null)}::bigint[]
    ) AS given(id, tenant_id, name, size_bytes, sha256, media_type, origin, job_id, step, metadata, expires_at, keep_ms)
    LEFT JOIN tenants ON tenants.id = given.tenant_id`;
}

function storedEvents(files: readonly StoredFile[]): EventRow[] {
  const uploads = files.filter(({ origin, source }) => origin === "upload" && source === undefined);
  return uploads.map(({ id, tenantId, name, sizeBytes, mediaType }) => ({
    tenantId,
    type: "file.stored",
    data: { file_id: encodeId("file", id), name, size: sizeBytes, media_type: mediaType },
  }));
}

function segmentsInsertions(files: readonly StoredFile[]): Statement[] {
  const segments = files.flatMap(({ id, tenantId, content }) =>
    "inline" in content ? [] : content.segments.map((segment, ordinal) => ({ id, tenantId, ordinal, ...segment })),
  );
  if (segments.length === 0) return [];
  const keys = segments.flatMap(({ objectId, tenantId, seal }) => (seal === undefined ? [] : [{ objectId, tenantId, seal }]));
  return [
    insertion(keys),
    sql`
    INSERT INTO segments (file_id, ordinal, tenant_id, store, object_key, size_bytes, encoding, object_id)
    SELECT * FROM unnest(
      ${segments.map(({ id }) => id)}::uuid[], ${segments.map(({ ordinal }) => ordinal)}::int[],
      ${segments.map(({ tenantId }) => tenantId)}::uuid[], ${segments.map(({ store }) => store)}::text[],
      ${segments.map(({ key }) => key)}::text[], ${segments.map(({ sizeBytes }) => sizeBytes)}::bigint[],
      ${segments.map(({ seal }) => (seal === undefined ? 0 : 1))}::smallint[],
      ${segments.map(({ objectId, seal }) => (seal === undefined ? null : objectId))}::uuid[])`,
  ];
}

/** An inline object has the id of its file. */
function inlineInsertions(files: readonly StoredFile[]): Statement[] {
  const inline = files.flatMap(({ id, tenantId, content }) => ("inline" in content ? [{ objectId: id, tenantId, ...content }] : []));
  if (inline.length === 0) return [];
  const keys = inline.flatMap(({ objectId, tenantId, seal }) => (seal === undefined ? [] : [{ objectId, tenantId, seal }]));
  return [
    insertion(keys),
    sql`
    INSERT INTO inline_objects (file_id, tenant_id, content, encoding)
    SELECT * FROM unnest(
      ${inline.map(({ objectId }) => objectId)}::uuid[], ${inline.map(({ tenantId }) => tenantId)}::uuid[],
      ${byteaArray(inline.map((content) => content.inline))}::bytea[], ${inline.map(({ seal }) => (seal === undefined ? 0 : 1))}::smallint[])`,
  ];
}
