import type { CollectedSource } from "@filemill/contract/source.ts";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { sql } from "../../src/db/sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { Platform } from "../engine/platform.ts";

/** A job that only takes files in: what the tests of sources are about. */
const ALONE: PipelineDocument = { steps: { pass: { use: "demo.copy", when: { media_type: ["image/*"] } } } };

export interface CollectedFile {
  readonly name: string;
  readonly size: number;
  readonly location: string;
}

/** Collects a source to its end; the job, and the files of its items in their order. */
export async function collect(
  { engine, platform, tenantId }: { engine: Engine; platform: Platform; tenantId: string },
  source: CollectedSource,
): Promise<{ jobId: string; status: string; files: CollectedFile[] }> {
  const jobId = await platform.submitSource(tenantId, ALONE, source);
  const status = await platform.ended(jobId, 110_000);
  const files = await engine.rows<CollectedFile>(sql`
    SELECT files.name, files.size_bytes AS size, file_sources.location
    FROM source_items JOIN files ON files.id = source_items.file_id JOIN file_sources ON file_sources.file_id = files.id
    WHERE source_items.job_id = ${jobId}::uuid ORDER BY source_items.id`);
  return { jobId, status, files };
}
