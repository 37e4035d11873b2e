import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { DuckDBConnection } from "@duckdb/node-api";
import { BadInput, type InputFile } from "../processor.ts";
import { checkFirstLine } from "./check-first-line.ts";
import { checkJsonDepth } from "./check-json-depth.ts";
import { quoteText, tableReader, type TypesFrom } from "./table-reader.ts";

export interface LockedSession extends AsyncDisposable {
  /** Runs one statement. Rejects BadInput where the statement or the input is at fault. */
  run(sql: string): Promise<void>;
  /** Rows as objects of JSON values; for small results. */
  rows(sql: string, values?: string[]): Promise<Record<string, unknown>[]>;
}

export interface SessionOptions {
  readonly input: InputFile;
  /** The one file that may be written. Spilled data go beside it, and are deleted at the end. */
  readonly outputPath: string;
  readonly memoryBytes: number;
  readonly threads?: number | undefined;
  readonly typesFrom: TypesFrom;
  /** view: the file is read by the query itself, at DuckDB's own speed. table: once, for many queries. */
  readonly keepAs: "view" | "table";
  readonly signal: AbortSignal;
}

/** More threads cost memory each, and a step host shares its machine. */
const MAX_THREADS = 4;
const MAX_SPILL_BYTES = 4 * 2 ** 30;

/**
 * A database in memory that holds the input as `input` and can reach nothing else.
 *
 * The order makes it safe: two paths are allowed by name, the input is bound while the configuration is still open,
 * then external access ends and the configuration is locked, and only after that is anything of the user's parsed. From
 * there on every other file, directory, URL, extension and setting answers with a permission error, whichever
 * statement asks; both files stay readable and writable by name, so that results stream to disk by DuckDB's own COPY.
 */
export async function openLockedSession(options: SessionOptions): Promise<LockedSession> {
  const { input, outputPath, signal } = options;
  const { DuckDBInstance } = await import("@duckdb/node-api");
  signal.throwIfAborted();
  await checkFirstLine(input);
  await checkJsonDepth(input, signal);
  const spill = `${outputPath}.spill`;
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${Math.floor(options.memoryBytes / 1024)}KiB`,
    threads: String(options.threads ?? Math.min(MAX_THREADS, availableParallelism())),
    temp_directory: spill,
    max_temp_directory_size: `${MAX_SPILL_BYTES / 1024}KiB`,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    allow_persistent_secrets: "false",
  });
  const connection = await instance.connect();
  const interrupt = (): void => connection.interrupt();
  signal.addEventListener("abort", interrupt);
  const close = async (): Promise<void> => {
    signal.removeEventListener("abort", interrupt);
    connection.closeSync();
    instance.closeSync();
    await rm(spill, { recursive: true, force: true });
  };
  try {
    await connection.run(`SET allowed_paths = [${quoteText(input.path)}, ${quoteText(outputPath)}]`);
    const kind = options.keepAs === "view" ? "VIEW" : "TABLE";
    await attempt(options, "load", () => connection.run(`CREATE ${kind} input AS SELECT * FROM ${tableReader(input, options.typesFrom)}`));
    await connection.run("SET enable_external_access = false");
    await connection.run("SET lock_configuration = true");
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async run(sql) {
      await attempt(options, "query", () => connection.run(sql));
    },
    rows: (sql, values) => attempt(options, "query", () => readRows(connection, sql, values)),
    [Symbol.asyncDispose]: close,
  };
}

async function readRows(connection: DuckDBConnection, sql: string, values: string[] | undefined): Promise<Record<string, unknown>[]> {
  const reader = await connection.runAndReadAll(sql, values);
  return reader.getRowObjectsJson();
}

async function attempt<T>({ input, outputPath, signal }: SessionOptions, stage: "load" | "query", work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    signal.throwIfAborted();
    const raw = cause instanceof Error ? cause.message : String(cause);
    const message = raw.replaceAll(input.path, input.name).replaceAll(outputPath, "output").trim();
    const code = codeOf(message, stage);
    throw code === undefined ? new Error(message, { cause }) : new BadInput(code, hinted(blamed(message, stage)), { cause });
  }
}

/** Whose fault a DuckDB error is; undefined where it is the machine's or DuckDB's own. */
function codeOf(message: string, stage: "load" | "query"): BadInput["code"] | undefined {
  if (/^(?:INTERNAL|FATAL|Internal) Error|No space left/.test(message)) return undefined;
  if (/^Out of Memory Error|max_temp_directory_size/.test(message)) return "limit_exceeded";
  if (stage === "query" && QUERY_ERRORS.test(message)) return "type_mismatch";
  if (stage === "load" || /CSV Error|Malformed JSON|JSON transform error|Error when sniffing|parquet/i.test(message)) return "corrupt";
  return "type_mismatch";
}

/** Errors of these kinds are found before a row is read. */
const QUERY_ERRORS = /^(?:Permission|Parser|Binder|Catalog) Error/;

/** The code of such an error is about types, as there is none about queries: so the text says what is to be changed. */
function blamed(message: string, stage: "load" | "query"): string {
  return stage === "query" && QUERY_ERRORS.test(message) ? `The query is wrong: ${message}` : message;
}

function hinted(message: string): string {
  return message.startsWith("Out of Memory Error") ? `${message}\nGive the step more with "memory", or ask for less at once.` : message;
}
