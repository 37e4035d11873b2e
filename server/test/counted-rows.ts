import type { Database, Transaction } from "../src/db/database.ts";
import type { Statement } from "../src/db/sql.ts";

interface PlanNode {
  readonly "Relation Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows of tables that a plan looked at, those that it threw away with them. */
function rowsLookedAt(node: PlanNode): number {
  const own =
    node["Relation Name"] === undefined ? 0 : (node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0)) * node["Actual Loops"];
  return (node.Plans ?? []).reduce((sum, child) => sum + rowsLookedAt(child), own);
}

/** The database, and what the statements given to `query` look at, summed. What a function does inside is not seen. */
export function counting(real: Database): { database: Database; rows: () => number } {
  let rows = 0;
  const counted = (transaction: Transaction): Transaction => ({
    async query<Row>(statement: Statement) {
      if (/^\s*(SELECT|WITH)/.test(statement.text)) {
        const [plan] = await transaction.query<{ "QUERY PLAN": readonly [{ readonly Plan: PlanNode }] }>({
          text: `EXPLAIN (ANALYZE, FORMAT JSON) ${statement.text}`,
          values: statement.values,
        });
        rows += plan ? rowsLookedAt(plan["QUERY PLAN"][0].Plan) : Number.NaN;
      }
      return await transaction.query<Row>(statement);
    },
    execute: (statement) => transaction.execute(statement),
  });
  const database: Database = {
    ...real,
    asTenant: (id, work, limits) => real.asTenant(id, (transaction) => work(counted(transaction)), limits),
    asSystem: (work, limits) => real.asSystem((transaction) => work(counted(transaction)), limits),
  };
  return { database, rows: () => rows };
}
