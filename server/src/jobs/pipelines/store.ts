import { v7 as uuidv7 } from "uuid";
import type { PipelineResource } from "@filemill/contract/pipelines.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { Transaction } from "../../db/database.ts";
import { sql, type Statement } from "../../db/sql.ts";
import { dropTriggers, keepTriggers } from "../triggers/kept-triggers.ts";

interface PipelineRow {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly document: PipelineDocument;
  readonly created_at: Date;
}

/** Row-level security says the same; a transaction that serves no tenant fails here instead of seeing all. */
const OWN = sql`tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`;

/**
 * Stores a linted document under a name. The same document as the latest version stays that version; another becomes the
 * next. Two at once take turns.
 */
export async function putPipeline(
  transaction: Transaction,
  pipeline: { readonly tenantId: string; readonly name: string; readonly document: PipelineDocument },
): Promise<{ resource: PipelineResource; created: boolean }> {
  const { tenantId, name } = pipeline;
  const document = JSON.stringify({ ...pipeline.document, name });
  await transaction.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`pipeline ${tenantId} ${name}`}, 0))`);
  const [same] = await transaction.query<PipelineRow>(sql`
    SELECT id, name, version, document, created_at FROM pipelines p
    WHERE ${OWN} AND name = ${name} AND deleted_at IS NULL AND document = ${document}::jsonb
      AND version = (SELECT max(version) FROM pipelines WHERE ${OWN} AND name = p.name)`);
  if (same) return { resource: resourceOf(same), created: false };
  const [row] = await transaction.query<PipelineRow>(sql`
    INSERT INTO pipelines (id, tenant_id, name, version, document)
    SELECT ${uuidv7()}, ${tenantId}, ${name}, coalesce(max(version), 0) + 1, ${document}::jsonb FROM pipelines WHERE ${OWN} AND name = ${name}
    RETURNING id, name, version, document, created_at`);
  if (!row) throw new Error(`pipeline "${name}" was not stored`);
  await keepTriggers(transaction, { tenantId, pipeline: name, triggers: pipeline.document.triggers ?? [] });
  return { resource: resourceOf(row), created: true };
}

/** One version of a pipeline of the tenant, the latest unless told; undefined where there is none, or it was deleted. */
export async function getPipeline(
  transaction: Transaction,
  wanted: { readonly name: string; readonly version?: number },
): Promise<PipelineResource | undefined> {
  const [row] = await transaction.query<PipelineRow>(sql`
    SELECT id, name, version, document, created_at FROM pipelines
    WHERE ${OWN} AND name = ${wanted.name} AND deleted_at IS NULL AND ${versionIs(wanted.version)}
    ORDER BY version DESC LIMIT 1`);
  return row && resourceOf(row);
}

/** The latest versions of the tenant's pipelines by name, at most `limit`, behind the name `after`. */
export async function listPipelines(
  transaction: Transaction,
  page: { readonly limit: number; readonly after?: string },
): Promise<PipelineResource[]> {
  const rows = await transaction.query<PipelineRow>(sql`
    SELECT DISTINCT ON (name) id, name, version, document, created_at FROM pipelines
    WHERE ${OWN} AND deleted_at IS NULL AND name > ${page.after ?? ""}
    ORDER BY name, version DESC LIMIT ${page.limit}`);
  return rows.map(resourceOf);
}

/** Deletes all versions; jobs that ran or run keep their copy. Gives whether there was one. */
export async function deletePipeline(transaction: Transaction, name: string): Promise<boolean> {
  const count = await transaction.execute(
    sql`UPDATE pipelines SET deleted_at = now() WHERE ${OWN} AND name = ${name} AND deleted_at IS NULL`,
  );
  await dropTriggers(transaction, name);
  return count > 0;
}

function versionIs(version: number | undefined): Statement {
  return version === undefined ? sql`TRUE` : sql`version = ${version}`;
}

function resourceOf(row: PipelineRow): PipelineResource {
  return {
    id: encodeId("pipeline", row.id),
    name: row.name,
    version: row.version,
    built_in: false,
    document: row.document,
    created_at: row.created_at.toISOString(),
  };
}
