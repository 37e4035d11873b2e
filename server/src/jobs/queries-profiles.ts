import type { ProfileResource } from "@filemill/contract/profiles.ts";
import { PROFILE_STEP } from "@filemill/contract/profiles.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound } from "../errors.ts";

interface ProfileRow {
  readonly fileId: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mediaType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly taskId: string;
  readonly stage: number;
  readonly steps: readonly string[] | null;
}

/** A worker records a few dozen a stage (worker/profile-budget.ts). */
const MOST = 10_000;

/** What was recorded of a job's tasks, in their order. Throws Problem not_found. */
export async function listProfiles(
  database: Database,
  { tenantId, jobId }: { tenantId: string; jobId: string },
): Promise<ProfileResource[]> {
  return await database.asTenant(tenantId, async (transaction) => {
    const [job] = await transaction.query(sql`SELECT 1 FROM jobs WHERE id = ${jobId} AND tenant_id = ${tenantId}`);
    if (!job) throw notFound("job", encodeId("job", jobId));
    const rows = await transaction.query<ProfileRow>(sql`
      SELECT f.id AS "fileId", f.name, f.size_bytes AS "sizeBytes", encode(f.sha256, 'hex') AS sha256, f.media_type AS "mediaType", f.metadata,
        t.id AS "taskId", t.stage, jsonb_path_query_array(s.plan->'stages'->t.stage, '$.steps[*].name') AS steps
      FROM outputs o
        JOIN files f ON f.id = o.file_id AND f.status = 'stored'
        JOIN tasks t ON t.id = o.task_id
        JOIN job_specs s ON s.job_id = o.job_id
      WHERE o.job_id = ${jobId} AND o.step = ${PROFILE_STEP} ORDER BY t.stage, o.ordinal, o.part LIMIT ${MOST}`);
    return rows.map(resourceOf);
  });
}

function resourceOf({ metadata, ...row }: ProfileRow): ProfileResource {
  const id = encodeId("file", row.fileId);
  return {
    ...{ id, name: row.name, size: row.sizeBytes, sha256: row.sha256, media_type: row.mediaType, url: `/api/v1/files/${id}/content` },
    task_id: encodeId("task", row.taskId),
    stage: row.stage,
    steps: [...(row.steps ?? [])],
    wall_ms: Number(metadata["wall_ms"] ?? 0),
    cpu_ms: Number(metadata["cpu_ms"] ?? 0),
    cut: metadata["cut"] === "true",
  };
}
