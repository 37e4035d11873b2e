import { writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { FileStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { freeChunk } from "../free-chunk.ts";
import { sealOf, type SealColumns } from "../record/object-keys.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { createFileWriter } from "../storage/file-writer.ts";
import type { ContentManifest, ManifestSegment } from "../storage/stored-content.ts";

/** A stored file: what is needed to read its bytes, and what is said about it. */
export interface FileManifest extends ContentManifest {
  readonly name: string;
  readonly sha256: Buffer;
  readonly mediaType: string;
  readonly origin: "upload" | "output" | "intermediate";
  readonly createdAt: Date;
}

/**
 * The manifests of those of these files that are stored (or have one of `statuses`), in no order. Inside a transaction of
 * the tenant, or of the system. Inline contents, at most 16 KiB a file, come with them.
 */
export async function readManifests(
  transaction: Transaction,
  tenantId: string,
  ids: readonly string[],
  statuses: readonly FileStatus[] = ["stored"],
): Promise<FileManifest[]> {
  const rows = await transaction.query<ManifestRow>(sql`
    SELECT files.id, files.tenant_id AS "tenantId", files.name, files.size_bytes AS "sizeBytes", files.sha256,
      files.media_type AS "mediaType", files.origin, files.created_at AS "createdAt", inline_objects.content AS inline,
      inline_objects.encoding, kek_id AS "kekId", kek_version AS "kekVersion", wrapped_dek AS "wrappedDek",
      coalesce(parts.segments, '[]') AS segments
    FROM files
    LEFT JOIN inline_objects ON inline_objects.file_id = files.id AND inline_objects.tenant_id = files.tenant_id
    LEFT JOIN object_keys ON inline_objects.encoding <> 0 AND object_keys.object_id = files.id AND object_keys.tenant_id = files.tenant_id
    LEFT JOIN LATERAL (
      SELECT json_agg(json_build_object('store', store, 'key', object_key, 'sizeBytes', size_bytes, 'encoding', encoding,
        'objectId', object_id, 'kekId', kek_id, 'kekVersion', kek_version, 'wrappedDek', encode(wrapped_dek, 'hex')) ORDER BY ordinal) AS segments
      FROM segments LEFT JOIN object_keys USING (object_id, tenant_id)
      WHERE segments.file_id = files.id AND segments.tenant_id = files.tenant_id) AS parts ON true
    WHERE files.id = ANY(${ids}::uuid[]) AND files.tenant_id = ${tenantId}::uuid AND files.status = ANY(${statuses}::text[])`);
  return rows.map(({ encoding, kekId, kekVersion, wrappedDek, segments, ...file }) => ({
    ...file,
    inlineSeal: encoding === null ? undefined : sealOf({ encoding, kekId, kekVersion, wrappedDek }),
    segments: segments.map(({ store, key, sizeBytes, objectId, ...seal }) => ({ store, key, sizeBytes, objectId, seal: sealOf(seal) })),
  }));
}

interface ManifestRow extends Omit<FileManifest, "inlineSeal" | "segments">, Omit<SealColumns, "encoding"> {
  /** Null where the content is not inline. */
  readonly encoding: number | null;
  readonly segments: readonly (Pick<ManifestSegment, "store" | "key" | "sizeBytes"> & SealColumns & { readonly objectId: string | null })[];
}

/**
 * Files that are read as a whole and written at once: by way of streams, of a thousand files of 29 KB the calls took longer than
 * the bytes.
 */
export const MAX_WHOLE_BYTES = 256 * 1_024;

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
  if (manifest.inline !== null || manifest.sizeBytes <= MAX_WHOLE_BYTES) {
    return writeFileSync(path, await contents.bytes(manifest, given), { flag: "wx", mode: 0o600 });
  }
  const content = await contents.read(manifest, given);
  const handle = await open(path, "wx", 0o600).catch((error: unknown) => {
    content.destroy();
    throw error;
  });
  try {
    // Freed as it is written: collecting that garbage took a third of the time of a worker that fetches photos.
    await pipeline(content, createFileWriter(handle, { release: freeChunk }).writable, given);
  } finally {
    await handle.close();
  }
}
