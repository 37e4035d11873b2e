import type { Client } from "pg";

/**
 * The schema as text, read from the catalogue, in an order that only depends on names: what migrations result in, for
 * people to read and for CI to compare. (pg_dump is not among the embedded binaries.)
 */
export async function dumpSchema(client: Client): Promise<string> {
  const blocks = [await lines(client, ROLES)];
  const { rows } = await client.query<{ name: string; kind: string }>(RELATIONS);
  for (const { name, kind } of rows) {
    const head = `${kind} ${name}`;
    const parts = [await lines(client, COLUMNS, name), await lines(client, CONSTRAINTS, name), await lines(client, INDEXES, name)];
    const rights = [await lines(client, SECURITY, name), await lines(client, POLICIES, name), await lines(client, GRANTS, name)];
    const view = await lines(client, VIEW, name);
    blocks.push([head, ...[...parts, ...rights, view].flat().map((line) => `  ${line}`)]);
  }
  blocks.push(await lines(client, FUNCTIONS));
  const text = blocks.filter((block) => block.length > 0).map((block) => block.join("\n"));
  return `-- Made from the migrations by test/dump-schema.ts; not to be run.\n\n${text.join("\n\n")}\n`;
}

async function lines(client: Client, query: string, relation?: string): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(query, relation === undefined ? [] : [relation]);
  return rows.map((row) => row.line.replace(/\s+/g, " ").trim());
}

const ROLES = `
  SELECT format('role %s%s%s%s%s', rolname, CASE WHEN rolsuper THEN ' superuser' END, CASE WHEN rolbypassrls THEN ' bypassrls' END,
    CASE WHEN rolcanlogin THEN ' login' END, CASE WHEN rolinherit THEN ' inherit' END) AS line
  FROM pg_roles WHERE rolname ~ '^filemill_' ORDER BY rolname COLLATE "C"`;

const RELATIONS = `
  SELECT relname AS name, CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind
  FROM pg_class WHERE relnamespace = 'filemill'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
  ORDER BY relname COLLATE "C"`;

const OF_RELATION = `(SELECT oid FROM pg_class WHERE relnamespace = 'filemill'::regnamespace AND relname = $1)`;

const COLUMNS = `
  SELECT format('%s %s%s%s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' not null' END,
    CASE WHEN attidentity <> '' THEN ' identity' WHEN attgenerated <> '' THEN ' generated' END,
    CASE WHEN adbin IS NOT NULL THEN ' default ' || pg_get_expr(adbin, adrelid) END) AS line
  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attrelid = ${OF_RELATION} AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;

/** Not-null constraints have rows of their own since 18; the columns say it already. */
const CONSTRAINTS = `
  SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) AS line
  FROM pg_constraint WHERE conrelid = ${OF_RELATION} AND contype <> 'n' ORDER BY conname COLLATE "C"`;

const INDEXES = `
  SELECT pg_get_indexdef(indexrelid) AS line
  FROM pg_index WHERE indrelid = ${OF_RELATION} AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
  ORDER BY indexrelid::regclass::text COLLATE "C"`;

const SECURITY = `
  SELECT format('owner %s%s%s%s', pg_get_userbyid(relowner), CASE WHEN relrowsecurity THEN ', row security' END,
    CASE WHEN relforcerowsecurity THEN ' forced' END, CASE WHEN reloptions IS NOT NULL THEN ', with ' || array_to_string(reloptions, ', ') END) AS line
  FROM pg_class WHERE oid = ${OF_RELATION}`;

const POLICIES = `
  SELECT format('policy %s for %s to %s%s%s', polname, CASE polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' ELSE 'delete' END,
    (SELECT string_agg(pg_get_userbyid(role), ', ' ORDER BY pg_get_userbyid(role)) FROM unnest(polroles) AS role),
    CASE WHEN polqual IS NOT NULL THEN ' using (' || pg_get_expr(polqual, polrelid) || ')' END,
    CASE WHEN polwithcheck IS NOT NULL THEN ' check (' || pg_get_expr(polwithcheck, polrelid) || ')' END) AS line
  FROM pg_policy WHERE polrelid = ${OF_RELATION} ORDER BY polname COLLATE "C"`;

const GRANTS = `
  SELECT format('grant %s to %s', string_agg(lower(privilege_type), ', ' ORDER BY privilege_type), pg_get_userbyid(grantee)) AS line
  FROM pg_class, aclexplode(relacl) WHERE oid = ${OF_RELATION} AND grantee <> relowner
  GROUP BY grantee ORDER BY pg_get_userbyid(grantee) COLLATE "C"`;

const VIEW = `SELECT 'as ' || pg_get_viewdef(oid) AS line FROM pg_class WHERE oid = ${OF_RELATION} AND relkind IN ('v', 'm')`;

const FUNCTIONS = `
  SELECT pg_get_functiondef(oid) AS line FROM pg_proc WHERE pronamespace = 'filemill'::regnamespace ORDER BY oid::regprocedure::text COLLATE "C"`;
