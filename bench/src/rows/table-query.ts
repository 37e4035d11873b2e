import { DuckDBInstance } from "@duckdb/node-api";
import { tableQuery } from "@filemill/server/src/processors/table-query.ts";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure, report, type Contestant } from "../measure.ts";

const ROWS = 700_000;
/** 55 MB as CSV, 34 MB as Parquet, 95 MB as NDJSON. */
const TABLE = `SELECT i AS id, 'customer ' || (i * 7919 % 100000) AS customer, ['north', 'south', 'east', 'west'][1 + (i * 31) % 4] AS region,
  round((i * 97 % 100000) / 100.0, 2) AS amount, DATE '2020-01-01' + CAST(i % 2000 AS INTEGER) AS day, md5(i::VARCHAR) AS token
  FROM range(${ROWS}) t(i)`;
const QUERY = `SELECT region, day, count(*) AS orders, sum(amount) AS total, max(token) AS last
  FROM input GROUP BY region, day ORDER BY day, region`;
const FORMATS = [
  { name: "csv", mediaType: "text/csv", copy: "FORMAT csv, HEADER true", reader: "read_csv" },
  { name: "parquet", mediaType: "application/vnd.apache.parquet", copy: "FORMAT parquet", reader: "read_parquet" },
  { name: "ndjson", mediaType: "application/x-ndjson", copy: "FORMAT json", reader: "read_ndjson" },
] as const;
type Format = (typeof FORMATS)[number];

/** The same query over the same file into the same CSV: our locked session, with all its checks, beside DuckDB as it comes. */
export async function tableQueries({ rounds }: { rounds: number }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-tables-"));
  try {
    for (const format of FORMATS) {
      const path = join(folder, `table.${format.name}`);
      await inMemory((run) => run(`COPY (${TABLE}) TO '${path}' (${format.copy})`));
      const contestants = [alone(format, path), ours(format, path)];
      const row = { name: `table-query ${format.name}`, unit: "ms", better: "lower" as const, rounds, contestants };
      report(row, await measure(row));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function alone({ reader }: Format, path: string): Contestant {
  const result = `${path}.alone.csv`;
  return {
    name: "DuckDB alone",
    measure: () =>
      timed(() =>
        inMemory((run) =>
          run(`COPY (WITH input AS (SELECT * FROM ${reader}('${path}')) ${QUERY}) TO '${result}' (FORMAT csv, HEADER true)`),
        ),
      ),
  };
}

function ours({ mediaType }: Format, path: string): Contestant {
  const result = `${path}.ours.csv`;
  return {
    name: "table.query",
    async measure() {
      await rm(result, { force: true });
      const input = { path, name: "table", mediaType, sizeBytes: (await stat(path)).size };
      const params = tableQuery.params.parse({ sql: QUERY, format: "csv" });
      const { signal } = new AbortController();
      const nothing = () => undefined;
      return await timed(() =>
        tableQuery.run({ params, inputs: [input], isRoot: true, signal, output: () => result, pass: nothing, progress: nothing }),
      );
    },
  };
}

async function inMemory(work: (run: (sql: string) => Promise<unknown>) => Promise<unknown>): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await work((sql) => connection.run(sql));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
