import { BadInput } from "../processor.ts";
import type { LockedSession } from "./locked-session.ts";

/** Table functions that only compute. All others read files, change the database or run text as SQL. */
const TABLE_FUNCTIONS = new Set([
  "range",
  "generate_series",
  "unnest",
  "repeat",
  "repeat_row",
  "json_each",
  "json_tree",
  "summary",
  "histogram",
  "histogram_values",
]);
/** Functions that write, run text as SQL, or show the machine. */
const REFUSED_FUNCTIONS = new Set([
  "write_log",
  "json_execute_serialized_sql",
  "query",
  "query_table",
  "current_setting",
  "pg_sleep",
  "getenv",
]);

/**
 * Takes `sql` only where it is one SELECT (or WITH, FROM, VALUES, DESCRIBE, SUMMARIZE) that calls nothing dangerous.
 * DuckDB's own parser decides: it gives the syntax tree as JSON, and does so for SELECT alone. The lock of the session
 * would stop files and settings anyway; this also stops what ends the process (enable_logging) or hides SQL in text.
 * Rejects BadInput `type_mismatch`.
 */
export async function checkSelect(session: LockedSession, sql: string): Promise<void> {
  const [row] = await session.rows(
    "SELECT json_serialize_sql($1::VARCHAR, skip_default := true, skip_empty := true, skip_null := true) AS tree",
    [sql],
  );
  const tree: unknown = JSON.parse(String(row?.["tree"]));
  if (!isRecord(tree) || tree["error"] !== false) throw refused(sql, tree);
  const statements = tree["statements"];
  if (!Array.isArray(statements) || statements.length !== 1) {
    throw new BadInput("type_mismatch", "sql must be exactly one SELECT statement; its table is called input.");
  }
  const open: unknown[] = [...statements];
  while (open.length > 0) {
    const node = open.pop();
    if (Array.isArray(node)) {
      for (const child of node) open.push(child);
    } else if (isRecord(node)) {
      checkNode(node);
      for (const child of Object.values(node)) if (typeof child === "object" && child !== null) open.push(child);
    }
  }
}

function checkNode(node: Record<string, unknown>): void {
  const name = functionName(node);
  if (name !== undefined && REFUSED_FUNCTIONS.has(name)) throw new BadInput("type_mismatch", `sql must not call ${name}().`);
  if (node["type"] !== "TABLE_FUNCTION" || !isRecord(node["function"])) return;
  const table = functionName(node["function"]);
  if (table === undefined || !TABLE_FUNCTIONS.has(table)) {
    throw new BadInput("type_mismatch", `sql must not read from ${table ?? "a function"}(); the only table is input.`);
  }
}

function functionName(node: Record<string, unknown>): string | undefined {
  const name = node["function_name"];
  return typeof name === "string" ? name.toLowerCase() : undefined;
}

function refused(sql: string, tree: unknown): BadInput {
  const message = isRecord(tree) && typeof tree["error_message"] === "string" ? tree["error_message"] : "it can't be read";
  if (message.startsWith("Only SELECT")) {
    const hint = /\bpivot\b/i.test(sql) ? " A PIVOT must name its columns: PIVOT input ON year IN (2024, 2025) USING sum(amount)." : "";
    return new BadInput("type_mismatch", `sql must be a single SELECT statement; its table is called input.${hint}`);
  }
  return new BadInput("type_mismatch", `The query is wrong: Parser Error: ${message}${lineOf(sql, tree)}`);
}

/** DuckDB's pointer to the place: the line, and a caret below. */
function lineOf(sql: string, tree: unknown): string {
  const position = isRecord(tree) ? Number(tree["position"]) : Number.NaN;
  if (!Number.isInteger(position) || position < 0 || position > sql.length) return "";
  const start = sql.lastIndexOf("\n", position - 1) + 1;
  const end = sql.indexOf("\n", position);
  const line = sql.slice(start, end < 0 ? undefined : end).slice(0, 200);
  return `\n${line}\n${" ".repeat(Math.min(position - start, 200))}^`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
