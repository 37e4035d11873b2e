import { parseSize } from "@filemill/contract/parse-units.ts";
import { Size } from "@filemill/contract/units.ts";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import { checkSelect } from "./duckdb/check-select.ts";
import { dependsOnMore } from "./duckdb/depends-on-more.ts";
import { guardFormulas } from "./duckdb/csv-guard.ts";
import { openLockedSession, type LockedSession } from "./duckdb/locked-session.ts";
import { quoteText, TABLE_TYPES, type TypesFrom } from "./duckdb/table-reader.ts";
import { BadInput, declareProcessor, type InputFile } from "./processor.ts";

const MAX_MEMORY = "1GiB";
const MAX_SQL_CHARACTERS = 20_000;

const FORMATS = {
  csv: { mediaType: "text/csv", extension: "csv", copy: "FORMAT csv, HEADER true" },
  json: { mediaType: "application/json", extension: "json", copy: "FORMAT json, ARRAY true" },
  ndjson: { mediaType: "application/x-ndjson", extension: "ndjson", copy: "FORMAT json, ARRAY false" },
  parquet: { mediaType: "application/vnd.apache.parquet", extension: "parquet", copy: "FORMAT parquet" },
} as const;

const params = z.strictObject({
  sql: z
    .string()
    .min(1)
    .max(MAX_SQL_CHARACTERS)
    .meta({ title: "SQL", description: "One SELECT in DuckDB's dialect. The table is called input." }),
  format: z.enum(["csv", "json", "ndjson", "parquet"]).default("csv").meta({ title: "Format of the result" }),
  memory: Size.refine(
    (text) => parseSize(text) >= 32 * 2 ** 20 && parseSize(text) <= parseSize(MAX_MEMORY),
    `must be from 32MiB to ${MAX_MEMORY}`,
  )
    .default("512MiB")
    .meta({ title: "Memory", description: "What DuckDB may hold; larger work goes to disk." }),
  threads: z.int().min(1).max(16).optional().meta({ title: "Threads", description: "Left out: one a core, at most 4." }),
});

export const tableQuery = declareProcessor({
  name: "table.query",
  version: "1",
  title: "Query a table",
  description:
    "Runs one SQL SELECT over a CSV, TSV, JSON, NDJSON or Parquet file, and gives the result in any of them. The query reaches nothing but that file. In CSV results, texts that a spreadsheet would run as formulas get an apostrophe.",
  kind: "map",
  emits: "one",
  accepts: TABLE_TYPES,
  produces: Object.values(FORMATS).map((format) => format.mediaType),
  params,
  limits: { memoryBytes: 2 * 2 ** 30, wallMs: 600_000, outputBytes: 16 * 2 ** 30, outputFiles: 1 },
  example: {
    sql: "SELECT weather, count(*) AS days, avg(temp_max) AS warmest FROM input GROUP BY weather ORDER BY days DESC",
    format: "csv",
  },
  codec: true,
  cacheable: { by: "content_and_names", unless: ({ sql }) => dependsOnMore(sql) },
  async run({ params, inputs, signal, output }) {
    for (const input of inputs) {
      const format = FORMATS[params.format];
      const path = output({ name: derivedName(withoutExtension(input.name), `.${format.extension}`), mediaType: format.mediaType });
      const query = async (typesFrom: TypesFrom): Promise<void> => {
        await using session = await openLockedSession({
          input,
          outputPath: path,
          memoryBytes: parseSize(params.memory),
          threads: params.threads,
          typesFrom,
          keepAs: "view",
          signal,
        });
        await checkSelect(session, params.sql);
        const select = params.format === "csv" ? await guarded(session, params.sql) : inner(params.sql);
        // A second name beside the result would not be allowed, hence no temporary file.
        await session.run(`COPY (\n${select}\n) TO ${quoteText(path)} (${format.copy}, USE_TMP_FILE false)`);
      };
      await withBetterTypes(input, query);
    }
  },
});

/** Runs with types from the first rows, and once more with types from all where a later row does not fit them. */
async function withBetterTypes(input: InputFile, query: (typesFrom: TypesFrom) => Promise<void>): Promise<void> {
  try {
    await query("sample");
  } catch (error) {
    const couldFit =
      input.mediaType !== "application/vnd.apache.parquet" && error instanceof BadInput && /convert|transform/i.test(error.message);
    if (!couldFit) throw error;
    await query("all");
  }
}

async function guarded(session: LockedSession, sql: string): Promise<string> {
  const columns = await session.rows(`DESCRIBE SELECT * FROM (\n${inner(sql)}\n)`);
  return guardFormulas(
    inner(sql),
    columns.map((column) => ({ name: String(column["column_name"]), type: String(column["column_type"]) })),
  );
}

/** The statement without the semicolon that may end it: comments behind it may stay, they end with the line. */
function inner(sql: string): string {
  return sql.replace(/;(?=(?:\s|--[^\n]*(?:\n|$))*$)/, "");
}

function withoutExtension(name: string): string {
  return name.replace(/\.(?:csv|tsv|txt|json|ndjson|jsonl|parquet)$/i, "");
}
