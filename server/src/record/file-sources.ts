import { sql, type Statement } from "../db/sql.ts";

/** Where a collected file came from; part of its lineage. */
export interface FileSource {
  /** The job that fetched it. */
  readonly jobId: string;
  readonly kind: string;
  /** SHA-256 over kind and full address; 32 bytes. */
  readonly identity: Buffer;
  /** Without credentials and signatures. */
  readonly location: string;
  /** As the place named it when it was fetched. */
  readonly etag: string | null;
  readonly modifiedAt: Date | null;
}

interface Collected {
  readonly id: string;
  readonly tenantId: string;
  readonly sizeBytes: number;
  readonly source?: FileSource;
}

/** For the statement that records the files themselves; those without a source are passed over, and undefined where none has one. */
export function fileSourcesInsertion(files: readonly Collected[]): Statement | undefined {
  const rows = files.flatMap(({ source, ...file }) => (source === undefined ? [] : [{ ...file, source }]));
  if (rows.length === 0) return undefined;
  const column = <T>(pick: (row: (typeof rows)[number]) => T): T[] => rows.map(pick);
  return sql`
    INSERT INTO file_sources (file_id, tenant_id, job_id, kind, identity, location, size_bytes, etag, modified_at)
    SELECT * FROM unnest(
      ${column((row) => row.id)}::uuid[], ${column((row) => row.tenantId)}::uuid[], ${column((row) => row.source.jobId)}::uuid[],
      ${column((row) => row.source.kind)}::text[], ${column((row) => row.source.identity)}::bytea[],
      ${column((row) => row.source.location)}::text[], ${column((row) => row.sizeBytes)}::bigint[],
      ${column((row) => row.source.etag)}::text[], ${column((row) => row.source.modifiedAt?.toISOString() ?? null)}::timestamptz[])`;
}
