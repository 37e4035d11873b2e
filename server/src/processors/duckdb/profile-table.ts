import { BadInput } from "../processor.ts";
import type { LockedSession } from "./locked-session.ts";
import { quoteName } from "./table-reader.ts";

export interface TableProfile {
  readonly rows: number;
  readonly columns: readonly ColumnProfile[];
}

/** Statistics that make no sense for a type are left out. Counts are exact but for `distinct` where it says otherwise. */
export interface ColumnProfile {
  readonly name: string;
  readonly type: string;
  readonly count: number;
  readonly nulls: number;
  readonly distinct: number;
  readonly distinct_is_estimate: boolean;
  readonly min: string | number | null;
  readonly max: string | number | null;
  readonly mean?: number | null;
  readonly standard_deviation?: number | null;
  readonly quantiles?: Quantiles | null;
  readonly shortest?: number | null;
  readonly longest?: number | null;
  readonly top: readonly { readonly value: string; readonly count: number }[];
}

export interface Quantiles {
  readonly p05: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
}

const MAX_COLUMNS = 2_000;
/** Above this many rows distinct values are estimated (HyperLogLog): exact counting would hold them all. */
const EXACT_ROWS = 1_000_000;
const SHOWN_CHARACTERS = 200;
const NUMERIC = /^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\))$/;
const ORDERED = /^(?:DATE|TIME|TIMESTAMP.*|BOOLEAN|UUID|INTERVAL)$/;

/** Profiles the table `input`. Rejects BadInput `limit_exceeded` above 2,000 columns. */
export async function profileTable(
  session: LockedSession,
  options: { top: number; name: string; progress(fraction: number): void },
): Promise<TableProfile> {
  const described = await session.rows("DESCRIBE input");
  if (described.length > MAX_COLUMNS) {
    throw new BadInput("limit_exceeded", `"${options.name}" has ${described.length} columns; at most ${MAX_COLUMNS} can be profiled.`);
  }
  const [{ rows: count } = { rows: 0 }] = await session.rows("SELECT count(*)::DOUBLE AS rows FROM input");
  const rows = Number(count);
  const columns: ColumnProfile[] = [];
  for (const column of described) {
    columns.push(
      await profileColumn(session, { name: String(column["column_name"]), type: String(column["column_type"]), rows, top: options.top }),
    );
    options.progress(columns.length / described.length);
  }
  return { rows, columns };
}

async function profileColumn(
  session: LockedSession,
  { name, type, rows, top }: { name: string; type: string; rows: number; top: number },
): Promise<ColumnProfile> {
  const numeric = NUMERIC.test(type);
  const plain = numeric || ORDERED.test(type);
  // Lists, structs and JSON are compared as the text they print as.
  const value = plain ? quoteName(name) : `CAST(${quoteName(name)} AS VARCHAR)`;
  const estimate = rows > EXACT_ROWS;
  const shown = numeric ? (what: string) => `${what}::DOUBLE` : (what: string) => `left(${what}::VARCHAR, ${SHOWN_CHARACTERS})`;
  // NaN and infinities have no mean, and stddev_samp would end the query on them.
  const finite = type === "DOUBLE" || type === "FLOAT" ? `CASE WHEN isfinite(${value}) THEN ${value} END` : value;
  const selected = [
    `count(${value})::DOUBLE AS count`,
    `${estimate ? `approx_count_distinct(${value})` : `count(DISTINCT ${value})`}::DOUBLE AS distinct_values`,
    `${shown(`min(${value})`)} AS min`,
    `${shown(`max(${value})`)} AS max`,
    ...(numeric
      ? [
          `avg(${finite})::DOUBLE AS mean`,
          `CASE WHEN count(${finite}) > 1 THEN stddev_samp((${finite})::DOUBLE) END AS deviation`,
          `quantile_cont((${finite})::DOUBLE, [0.05, 0.25, 0.5, 0.75, 0.95]) AS quantiles`,
        ]
      : []),
    ...(plain ? [] : [`min(length(${value}))::DOUBLE AS shortest`, `max(length(${value}))::DOUBLE AS longest`]),
  ];
  const [row = {}] = await session.rows(`SELECT ${selected.join(", ")} FROM input`);
  const values = await topValues(session, value, top);
  const counted = Number(row["count"] ?? 0);
  return {
    name,
    type,
    count: counted,
    nulls: rows - counted,
    distinct: Number(row["distinct_values"] ?? 0),
    distinct_is_estimate: estimate,
    min: scalar(row["min"]),
    max: scalar(row["max"]),
    ...(numeric
      ? { mean: toNumber(row["mean"]), standard_deviation: toNumber(row["deviation"]), quantiles: toQuantiles(row["quantiles"]) }
      : {}),
    ...(plain ? {} : { shortest: toNumber(row["shortest"]), longest: toNumber(row["longest"]) }),
    top: values,
  };
}

async function topValues(session: LockedSession, value: string, top: number): Promise<{ value: string; count: number }[]> {
  if (top === 0) return [];
  const rows = await session.rows(
    `SELECT left(v::VARCHAR, ${SHOWN_CHARACTERS}) AS value, n::DOUBLE AS count
     FROM (SELECT ${value} AS v, count(*) AS n FROM input WHERE ${value} IS NOT NULL GROUP BY ALL ORDER BY n DESC, v LIMIT ${top})
     ORDER BY n DESC, v`,
  );
  return rows.map((row) => ({ value: String(row["value"]), count: Number(row["count"]) }));
}

function scalar(value: unknown): string | number | null {
  return typeof value === "string" || typeof value === "number" ? value : null;
}

function toNumber(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function toQuantiles(value: unknown): Quantiles | null {
  if (!Array.isArray(value)) return null;
  const [p05, p25, p50, p75, p95] = value.map(Number);
  if (p05 === undefined || p25 === undefined || p50 === undefined || p75 === undefined || p95 === undefined) return null;
  return { p05, p25, p50, p75, p95 };
}
