import type { InputFile } from "../processor.ts";

export const TABLE_TYPES = [
  "text/csv",
  "text/tab-separated-values",
  "text/plain",
  "application/json",
  "application/x-ndjson",
  "application/vnd.apache.parquet",
] as const;

/** Longer lines than this are no table but an attack on memory; DuckDB's own default. Bytes. */
export const MAX_LINE_BYTES = 2 * 2 ** 20;
/** Of one JSON object; DuckDB's own default. */
const MAX_OBJECT_BYTES = 16 * 2 ** 20;
/** Below this JSON stays JSON: finding types for 10,000 levels took DuckDB 37 s. */
const MAX_TYPED_DEPTH = 16;
/** Rows that column types are guessed from; DuckDB's own default. */
const SAMPLE_ROWS = 20_480;

/** `sample`: from the first rows; `all`: types from every row, a pass more, for files whose late rows don't fit the early ones. */
export type TypesFrom = "sample" | "all";

/** A FROM clause that reads the file. The reader is chosen by media type and told so: names decide nothing. */
export function tableReader(input: InputFile, typesFrom: TypesFrom): string {
  const path = quoteText(input.path);
  const rows = typesFrom === "all" ? -1 : SAMPLE_ROWS;
  const csv = `compression = 'none', hive_partitioning = false, max_line_size = ${MAX_LINE_BYTES}, sample_size = ${rows}`;
  const json = `compression = 'uncompressed', hive_partitioning = false, maximum_object_size = ${MAX_OBJECT_BYTES}, maximum_depth = ${MAX_TYPED_DEPTH}, sample_size = ${rows}`;
  switch (input.mediaType) {
    case "application/vnd.apache.parquet":
      return `read_parquet(${path}, hive_partitioning = false)`;
    case "application/x-ndjson":
      return `read_json(${path}, format = 'newline_delimited', ${json})`;
    case "application/json":
      return `read_json(${path}, format = 'auto', ${json})`;
    case "text/tab-separated-values":
      return `read_csv(${path}, delim = '\t', ${csv})`;
    default:
      return `read_csv(${path}, ${csv})`;
  }
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
