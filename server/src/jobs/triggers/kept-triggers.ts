import type { Trigger } from "@filemill/contract/pipeline.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { Problem } from "../../errors.ts";

/** What the latest version of a pipeline runs on. */
export interface PipelineTriggers {
  readonly pipeline: string;
  readonly triggers: readonly Trigger[];
}

/** Of a tenant: each new file is held against all of them. */
const MAX_PIPELINES = 100;

/** Row-level security says the same; a transaction that serves no tenant fails here instead of seeing all. */
const OWN = sql`tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`;

/**
 * The triggers of a pipeline's new version, in the transaction that stores it, in place of those of the version before. Files of
 * which the storing begins after its commit are looked at; see `note_arrived_files` in the schema. Throws Problem conflict.
 */
export async function keepTriggers(transaction: Transaction, given: PipelineTriggers & { readonly tenantId: string }): Promise<void> {
  const { tenantId, pipeline, triggers } = given;
  if (triggers.length === 0) return dropTriggers(transaction, pipeline);
  await requireRoom(transaction, pipeline);
  const takesOutputs = triggers.some(({ outputs }) => outputs !== undefined);
  await transaction.execute(sql`
    INSERT INTO pipeline_triggers (tenant_id, pipeline_name, triggers, takes_outputs)
    VALUES (${tenantId}::uuid, ${pipeline}, ${JSON.stringify(triggers)}::jsonb, ${takesOutputs})
    ON CONFLICT (tenant_id, pipeline_name) DO UPDATE SET triggers = excluded.triggers, takes_outputs = excluded.takes_outputs`);
}

async function requireRoom(transaction: Transaction, pipeline: string): Promise<void> {
  const others = await transaction.query(
    sql`SELECT FROM pipeline_triggers WHERE ${OWN} AND pipeline_name <> ${pipeline} LIMIT ${MAX_PIPELINES}`,
  );
  if (others.length < MAX_PIPELINES) return;
  throw new Problem("conflict", `${MAX_PIPELINES} pipelines have triggers, which is as many as may. Store one of them without.`);
}

export async function dropTriggers(transaction: Transaction, pipeline: string): Promise<void> {
  await transaction.execute(sql`DELETE FROM pipeline_triggers WHERE ${OWN} AND pipeline_name = ${pipeline}`);
}

/** Of the tenant that the transaction serves, by name. */
export async function readTriggers(transaction: Transaction): Promise<PipelineTriggers[]> {
  return await transaction.query<PipelineTriggers>(sql`
    SELECT pipeline_name AS pipeline, triggers FROM pipeline_triggers WHERE ${OWN} ORDER BY pipeline_name`);
}
