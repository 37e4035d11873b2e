import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/**
 * Those of these files of a tenant that a task, a waiting reduce or a tree node of an open job holds. Job by job, by the
 * indexes of open jobs and of their rows: OFFSET keeps PostgreSQL from one look at everybody's history instead, as it took for cheaper where
 * nothing was known of the tables yet (0.9 s with 1,000,000 tasks of 1,000 tenants). Costs what the tenant's open jobs hold,
 * however many files are asked for: about 0.3 s for 200,000 tasks.
 */
export async function neededFiles(transaction: Transaction, tenantId: string, ids: readonly string[]): Promise<Set<string>> {
  const rows = await transaction.query<{ id: string }>(sql`
    SELECT DISTINCT held.id FROM jobs CROSS JOIN LATERAL (
      (SELECT files FROM task_inputs WHERE job_id = jobs.id AND files && ${ids}::uuid[] OFFSET 0)
      UNION ALL (SELECT files FROM stage_arrivals WHERE job_id = jobs.id AND files && ${ids}::uuid[] OFFSET 0)
      UNION ALL (SELECT files FROM tree_nodes WHERE job_id = jobs.id AND files && ${ids}::uuid[] OFFSET 0)) AS holding
      CROSS JOIN LATERAL unnest(holding.files) AS held(id)
    WHERE jobs.tenant_id = ${tenantId}::uuid AND jobs.status IN ('queued', 'running') AND held.id = ANY(${ids}::uuid[])`);
  return new Set(rows.map(({ id }) => id));
}
