import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { ContentManifest } from "../storage/stored-content.ts";

/** A stored file: what is needed to read its bytes, and what is said about it. */
export interface FileManifest extends ContentManifest {
  readonly name: string;
  readonly sha256: Buffer;
  readonly mediaType: string;
  readonly origin: "upload" | "output" | "intermediate";
  readonly createdAt: Date;
}

/**
 * The manifests of those of these files that are stored, in no order. Inside a transaction of the tenant, or of the
 * system. Inline contents, at most 16 KiB a file, come with them.
 */
export async function readManifests(transaction: Transaction, tenantId: string, ids: readonly string[]): Promise<FileManifest[]> {
  return transaction.query<FileManifest>(sql`
    SELECT files.id, files.tenant_id AS "tenantId", files.name, files.size_bytes AS "sizeBytes", files.sha256,
      files.media_type AS "mediaType", files.origin, files.created_at AS "createdAt", inline_objects.content AS inline,
      coalesce(parts.segments, '[]') AS segments
    FROM files
    LEFT JOIN inline_objects ON inline_objects.file_id = files.id AND inline_objects.tenant_id = files.tenant_id
    LEFT JOIN LATERAL (
      SELECT json_agg(json_build_object('store', store, 'key', object_key, 'sizeBytes', size_bytes) ORDER BY ordinal) AS segments
      FROM segments WHERE segments.file_id = files.id AND segments.tenant_id = files.tenant_id) AS parts ON true
    WHERE files.id = ANY(${ids}::uuid[]) AND files.tenant_id = ${tenantId}::uuid AND files.status = 'stored'`);
}

/**
 * Writes a file's bytes to `path`, which must not exist, for a processor to read. Rejects StorageError, or the file
 * system's own error for `path`.
 */
export async function materialise(
  manifest: FileManifest,
  contents: ContentStore,
  options: { path: string; signal?: AbortSignal },
): Promise<void> {
  const { path, signal } = options;
  const given = signal === undefined ? {} : { signal };
  if (manifest.inline !== null) return await writeFile(path, await contents.bytes(manifest, given), { flag: "wx", mode: 0o600 });
  await pipeline(await contents.read(manifest, given), createWriteStream(path, { flags: "wx", mode: 0o600 }), given);
}
