import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { dependsOnMore } from "./depends-on-more.ts";

interface DuckFunction {
  readonly name: string;
  readonly stability: string | null;
  readonly definition: string | null;
}

async function everyFunction(): Promise<DuckFunction[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const result = await connection.runAndReadAll(
    "SELECT DISTINCT function_name AS name, stability, macro_definition AS definition FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro', 'aggregate')",
  );
  const rows = result.getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  return rows.map((row) => ({
    name: String(row["name"]),
    stability: text(row["stability"]),
    definition: text(row["definition"]),
  }));
}

test("knows every function of DuckDB that is not constant, and every macro that calls one", async () => {
  const functions = await everyFunction();
  const fickle = functions.filter(({ name, stability, definition }) =>
    // error() gives no result at all.
    name === "error" ? false : definition === null ? stability !== null && stability !== "CONSISTENT" : dependsOnMore(definition),
  );
  expect(fickle.length).toBeGreaterThan(20);
  const unknown = fickle.filter(({ name }) => !dependsOnMore(`SELECT ${name}()`)).map(({ name }) => name);
  expect(unknown).toEqual([]);
});

test.each([
  "SELECT count(*) FROM input",
  "SELECT weather, avg(temp_max) AS warmest FROM input GROUP BY weather ORDER BY 2 DESC",
  "SELECT nowhere, ageless FROM input",
])("lets %s be", (sql) => expect(dependsOnMore(sql)).toBe(false));

test.each(["SELECT CURRENT_DATE", "SELECT * FROM input USING SAMPLE 10", "SELECT * FROM input TABLESAMPLE 1%", 'SELECT "random"()'])(
  "takes %s for one that gives something else each time",
  (sql) => expect(dependsOnMore(sql)).toBe(true),
);
