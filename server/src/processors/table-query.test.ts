import { existsSync } from "node:fs";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { badInput, runProcessor, type GivenInput } from "../../test/processors/harness.ts";
import { tableQuery } from "./table-query.ts";

const csv = (content: string): GivenInput => ({ name: "cities.csv", mediaType: "text/csv", content });
const cities = csv("city,people,founded\nUlm,126000,0854-07-22\nBonn,331000,\n");

async function query(sql: string, input: GivenInput = cities, options: Record<string, unknown> = {}): Promise<string> {
  await using run = await runProcessor(tableQuery, { with: { sql, ...options }, inputs: [input] });
  return run.only.text();
}

const refusal = (sql: string, input: GivenInput = cities, options: Record<string, unknown> = {}) =>
  badInput(runProcessor(tableQuery, { with: { sql, ...options }, inputs: [input] }));

describe("formats", () => {
  const rows = [
    { a: 1, b: "x" },
    { a: 2, b: null },
  ];
  const ndjson = `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`;

  test.each<[string, GivenInput]>([
    ["CSV", { name: "t.csv", mediaType: "text/csv", content: "a,b\n1,x\n2,\n" }],
    ["CSV with semicolons, sent as plain text", { name: "t.txt", mediaType: "text/plain", content: "a;b\n1;x\n2;\n" }],
    ["TSV", { name: "t.tsv", mediaType: "text/tab-separated-values", content: "a\tb\n1\tx\n2\t\n" }],
    ["a JSON array", { name: "t.json", mediaType: "application/json", content: JSON.stringify(rows) }],
    ["NDJSON", { name: "t.ndjson", mediaType: "application/x-ndjson", content: ndjson }],
  ])("reads %s", async (_, input) => {
    expect(JSON.parse(await query("SELECT * FROM input ORDER BY a", input, { format: "json" }))).toEqual(rows);
  });

  test("writes CSV, JSON, NDJSON and Parquet, and reads the Parquet again", async () => {
    expect(await query("SELECT city, people FROM input ORDER BY people")).toBe("city,people\nUlm,126000\nBonn,331000\n");
    expect(JSON.parse(await query("SELECT people FROM input ORDER BY 1", cities, { format: "json" }))).toEqual([
      { people: 126000 },
      { people: 331000 },
    ]);
    expect(await query("SELECT people FROM input ORDER BY 1", cities, { format: "ndjson" })).toBe('{"people":126000}\n{"people":331000}\n');
    await using run = await runProcessor(tableQuery, { with: { sql: "FROM input", format: "parquet" }, inputs: [cities] });
    expect(run.only).toMatchObject({ name: "cities.parquet", mediaType: "application/vnd.apache.parquet" });
    const again = { name: "cities.parquet", mediaType: "application/vnd.apache.parquet", path: run.only.path };
    expect(await query("SELECT sum(people) AS s FROM input", again)).toBe("s\n457000\n");
  });

  test("an empty result is a table without rows", async () => {
    expect(await query("SELECT city FROM input WHERE false")).toBe("city\n");
    expect(JSON.parse(await query("SELECT city FROM input WHERE false", cities, { format: "json" }))).toEqual([]);
  });
});

test.each([
  ["a semicolon and a comment behind it", "SELECT 1 AS one; -- done"],
  ["a comment at the end", "SELECT 1 AS one -- done"],
  ["WITH", "WITH t AS (SELECT 1 AS one) SELECT * FROM t"],
  ["a recursive WITH", "WITH RECURSIVE t(one) AS (SELECT 1 UNION ALL SELECT one + 1 FROM t WHERE one < 1) SELECT * FROM t"],
  ["FROM first", "FROM range(1, 2) AS r(one)"],
  ["VALUES", "FROM (VALUES (1)) AS v(one)"],
  ["brackets", "(SELECT 1 AS one)"],
  ["a semicolon inside text", "SELECT 1 AS one WHERE ';' = ';'"],
])("takes %s", async (_, sql) => {
  expect(await query(sql)).toBe("one\n1\n");
});

test("describes and pivots with named columns", async () => {
  expect(await query("DESCRIBE input")).toContain("people,BIGINT");
  expect(await query("FROM (PIVOT input ON city IN ('Ulm', 'Bonn') USING sum(people)) SELECT Bonn WHERE Bonn IS NOT NULL")).toBe(
    "Bonn\n331000\n",
  );
});

test("columns of one name stay apart and in order", async () => {
  expect(await query("SELECT 1 AS a, 'x' AS a, 2 AS b")).toMatch(/^a,a[^,]*,b\n1,x,2\n$/);
});

test("the order that was asked for is kept", async () => {
  const rows = await query("SELECT 'n' || i AS n FROM range(100000) AS r(i) ORDER BY (i * 7919) % 100003");
  const expected = Array.from({ length: 100_000 }, (_, i) => i).sort((a, b) => ((a * 7919) % 100_003) - ((b * 7919) % 100_003));
  expect(rows).toBe(`n\n${expected.map((i) => `n${i}`).join("\n")}\n`);
});

describe("nothing but the input is reached", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "filemill-secret-"));
    await writeFile(join(folder, "secret.csv"), "secret\nhunter2\n");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv('FOLDER/secret.csv')",
    "SELECT * FROM 'FOLDER/secret.csv'",
    'SELECT * FROM "FOLDER/secret.csv"',
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('FOLDER/secret.csv')",
    "SELECT * FROM query_table('FOLDER/secret.csv')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH t AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM t",
    "SELECT * FROM input UNION ALL SELECT a, 1, NULL FROM READ_CSV('/etc/passwd') AS p(a)",
    "SELECT * FROM system.main.read_text('/etc/passwd')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM enable_logging('HTTP', storage = 'file', storage_path = 'FOLDER/log')",
    "SELECT * FROM main.Enable_Logging()",
    "SELECT * FROM duckdb_settings()",
    "SELECT current_setting('temp_directory')",
    "SELECT getenv('PATH')",
    "SELECT write_log('x')",
    "COPY (SELECT 1) TO 'FOLDER/evil.csv'",
    "SELECT 1) TO 'FOLDER/evil.csv' (FORMAT csv); --",
    "SELECT 1; COPY (SELECT 1) TO 'FOLDER/evil.csv'",
    "ATTACH 'FOLDER/evil.db'",
    "EXPORT DATABASE 'FOLDER/evil'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA threads = 4",
    "SET memory_limit = '100GB'",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "CREATE TABLE t AS SELECT 1",
    "CREATE SECRET s (TYPE s3)",
    "DROP VIEW input",
    "CALL enable_logging()",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "PIVOT input ON city USING sum(people)",
    "SELECT 1; SELECT 2",
    "SELECT 1 /* open",
    "-- nothing",
  ])("%s", async (sql) => {
    const error = await refusal(sql.replaceAll("FOLDER", folder));
    expect(error.code).toBe("type_mismatch");
    expect(error.message).not.toMatch(/hunter2|root:/);
    for (const name of ["evil.csv", "evil.db", "evil", "log"]) expect(existsSync(join(folder, name))).toBe(false);
  });

  test("even where the statement check were passed, the session itself refuses", async () => {
    const { openLockedSession } = await import("./duckdb/locked-session.ts");
    const path = join(folder, "secret.csv");
    await using session = await openLockedSession({
      input: { path, name: "secret.csv", sizeBytes: (await stat(path)).size, mediaType: "text/csv" },
      outputPath: join(folder, "out"),
      memoryBytes: 2 ** 28,
      typesFrom: "sample",
      keepAs: "view",
      signal: AbortSignal.timeout(60_000),
    });
    await session.run("SELECT * FROM input");
    for (const sql of [
      "SELECT * FROM read_text('/etc/passwd')",
      `COPY input TO '${folder}/evil.csv'`,
      `ATTACH '${folder}/evil.db'`,
      "INSTALL httpfs",
      "LOAD httpfs",
      "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
      "SET threads = 7",
      "SET allowed_paths = ['/etc/passwd']",
      "SET lock_configuration = false",
    ]) {
      await expect(session.run(sql), sql).rejects.toThrow(/disabled|locked|Cannot/);
    }
    expect(existsSync(join(folder, "evil.csv"))).toBe(false);
  });
});

describe("formulas in CSV", () => {
  test("texts get an apostrophe, numbers and dates keep their sign", async () => {
    const sql = `SELECT * FROM (VALUES ('=1+1', -5, 'ok'), ('+x', 5, NULL), ('-x', 0, ''), ('@x', 1, 'a=b'), (chr(9) || 'x', 2, 'é'), (chr(13) || 'x', 3, '''=')) AS t(text, number, other)`;
    expect(await query(sql)).toBe(`text,number,other\n'=1+1,-5,ok\n'+x,5,\n'-x,0,""\n'@x,1,a=b\n'\tx,2,é\n"'\rx",3,'=\n`);
  });

  test.each([
    ["a column's name", `SELECT 1 AS "=cmd"`, "'=cmd\n1\n"],
    ["an enum", "SELECT '=x'::ENUM('=x') AS e", "e\n'=x\n"],
    ["a union", "SELECT union_value(s := '=x') AS u", "u\n'=x\n"],
    ["JSON", "SELECT '-1'::JSON AS j", "j\n'-1\n"],
    ["a BLOB", "SELECT '=x'::BLOB AS b", "b\n'=x\n"],
    ["a decimal, which is left alone", "SELECT -1.50 AS d", "d\n-1.50\n"],
  ])("%s", async (_, sql, expected) => {
    expect(await query(sql)).toBe(expected);
  });

  test("other formats keep the text as it is", async () => {
    expect(await query("SELECT '=1' AS t", cities, { format: "ndjson" })).toBe('{"t":"=1"}\n');
  });
});

describe("errors are the user's to read", () => {
  test.each(["SELECT peple FROM input", "SELEC 1", "SELECT * FROM inptu"])("%s: the query is at fault, not the file", async (sql) => {
    expect((await refusal(sql)).message).toContain("The query is wrong: ");
  });

  test.each([
    ["SELECT peple FROM input", /"peple" not found.*\n[\s\S]*people/],
    ["SELEC 1", /syntax error at or near "SELEC"\nSELEC 1\n\^/],
    ["SELECT * FROM inptu", /inptu does not exist/],
    ["SELECT city::INTEGER FROM input", /Could not convert string/],
    ["PIVOT input ON city USING sum(people)", /must name its columns/],
    ["SELECT ?", /./],
  ])("%s", async (sql, message) => {
    const error = await refusal(sql);
    expect(error.code).toBe("type_mismatch");
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(tmpdir());
  });
});

test("a column whose late rows are no numbers is read as text", async () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `${index},${index === 29_999 ? "unknown" : index}`);
  expect(await query("SELECT count(*) AS n, max(b) AS m FROM input", csv(`a,b\n${lines.join("\n")}\n`))).toBe("n,m\n30000,unknown\n");
});

describe("hostile tables", () => {
  test.each<[string, GivenInput, string]>([
    [
      "right magic, then garbage",
      { name: "x.parquet", mediaType: "application/vnd.apache.parquet", content: `PAR1${"x".repeat(1_000)}PAR1` },
      "corrupt",
    ],
    ["an empty Parquet file", { name: "x.parquet", mediaType: "application/vnd.apache.parquet", content: "" }, "corrupt"],
    ["JSON cut in the middle", { name: "x.json", mediaType: "application/json", content: '[{"a": 1}, {"a": ' }, "corrupt"],
    ["NDJSON cut in its last line", { name: "x.ndjson", mediaType: "application/x-ndjson", content: '{"a":1}\n{"a":' }, "corrupt"],
    ["JSON 100,000 deep", { name: "x.json", mediaType: "application/json", content: "[".repeat(100_000) + "]".repeat(100_000) }, "corrupt"],
    [
      "NDJSON 100,000 deep behind good lines",
      { name: "x.ndjson", mediaType: "application/x-ndjson", content: `${'{"a":[1]}\n'.repeat(30_000)}{"a":${"[".repeat(100_000)}` },
      "corrupt",
    ],
    ["one line of 20 MB", csv(`a,b\n${"x".repeat(20_000_000)},1\n`), "corrupt"],
  ])("%s", async (_, input, code) => {
    expect((await refusal("SELECT * FROM input", input)).code).toBe(code);
  });

  test("an unclosed quote ends, one way or the other", async () => {
    const input = csv(`a,b\n1,"${"x\n".repeat(100_000)}`);
    const result = await query("SELECT count(*) AS n FROM input", input).catch((error: unknown) => error);
    expect(typeof result === "string" ? result : Object(result).code).toMatch(/^n\n|^corrupt$/);
  });

  test("100,000 columns", async () => {
    const header = Array.from({ length: 100_000 }, (_, index) => `c${index}`).join(",");
    expect((await refusal("SELECT * FROM input", csv(`${header}\n${"1,".repeat(99_999)}1\n`))).code).toBe("limit_exceeded");
  });

  test("brackets and operators 4,000 deep", async () => {
    expect(await query(`SELECT ${"(".repeat(4_000)}1${")".repeat(4_000)} AS one`)).toBe("one\n1\n");
    expect((await refusal(`SELECT ${"NOT ".repeat(4_000)}true`)).code).toBe("type_mismatch");
  });

  test("more memory than allowed is limit_exceeded, and the process lives", async () => {
    const error = await refusal("SELECT list(i::VARCHAR || repeat('x', 100)) FROM range(10000000) AS r(i)", cities, { memory: "64MiB" });
    expect(error.code).toBe("limit_exceeded");
    expect(error.message).toContain('Give the step more with "memory"');
  });

  test("sorting more than the memory spills to disk and leaves nothing there", async () => {
    await using run = await runProcessor(tableQuery, {
      with: {
        sql: "SELECT i FROM (SELECT hash(i) AS h, i, repeat('x', 40) || i AS t FROM range(2000000) AS r(i) ORDER BY h, t) LIMIT 3",
        memory: "96MiB",
        threads: 1,
      },
      inputs: [cities],
    });
    expect((await run.only.text()).split("\n")).toHaveLength(5);
    expect(existsSync(`${run.only.path}.spill`)).toBe(false);
  });

  test("an abort stops a query that would never end", async () => {
    const abort = new AbortController();
    const run = runProcessor(tableQuery, {
      with: { sql: "SELECT count(*) FROM range(1000000000000) AS a(i) WHERE hash(i) = 1" },
      inputs: [cities],
      signal: abort.signal,
    });
    setImmediate(() => abort.abort(new Error("cancelled")));
    await expect(run).rejects.toThrow("cancelled");
  });
});
