import type { FileResource, FileSummary } from "@filemill/contract/files.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { FileRow } from "../uploads/find-files.ts";
import type { StoredFile } from "../record/files.ts";

/** A file just received, as the wire shows it. */
export function fileSummary(file: Pick<StoredFile, "id" | "name" | "sizeBytes" | "sha256" | "mediaType">): FileSummary {
  return {
    id: encodeId("file", file.id),
    name: file.name,
    size: file.sizeBytes,
    sha256: file.sha256.toString("hex"),
    media_type: file.mediaType,
  };
}

/** A file's row, as the wire shows it. */
export function fileResource(row: FileRow): FileResource {
  return {
    id: encodeId("file", row.id),
    name: row.name,
    size: row.size_bytes,
    sha256: row.sha256.toString("hex"),
    media_type: row.media_type,
    status: row.status,
    metadata: row.metadata,
    created_at: row.created_at,
    origin: row.origin,
    job_id: row.job_id === null ? null : encodeId("job", row.job_id),
    step: row.step,
    expires_at: row.expires_at?.toISOString() ?? null,
    hold: row.held_at === null ? null : { since: row.held_at.toISOString(), reason: row.hold_reason ?? "" },
    storage_class: row.storage_class,
  };
}
