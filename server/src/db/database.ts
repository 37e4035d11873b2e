import pg from "pg";
import { closeInTime, openDedicated } from "./dedicated-connection.ts";
import type { Statement } from "./sql.ts";

/** bigint counts and sizes fit a double here (2^53); ids are uuids. */
const INT8_OID = 20;
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: "text" | "binary") {
    if (oid === INT8_OID && format !== "binary") return (text: string) => Number(text);
    return pg.types.getTypeParser(oid, format as "text");
  },
};

/** Statements inside one transaction. Rows are typed by the caller, who knows the columns that the statement names. */
export interface Transaction {
  query<Row>(statement: Statement): Promise<Row[]>;
  /** As query, but gives the number of rows that the statement changed. */
  execute(statement: Statement): Promise<number>;
}

/**
 * How long a transaction may keep others waiting. A process that stops between two statements (paused, swapped out, cut
 * off the network) would otherwise hold its locks for ever, and every commit that needs one of those rows with it.
 */
export interface TransactionLimits {
  /** For each statement; 30 s, and LONG_STATEMENT_MS for what touches many rows at once. */
  readonly statementMs?: number;
  /** Between statements; 10 s. Only for a transaction that holds a turn and no row of anybody's. */
  readonly idleMs?: number;
}

/** For statements of a job's whole size: to end 200,000 tasks in one took 12 s alone, and takes many times that on a busy disk. */
export const LONG_STATEMENT_MS = 300_000;

/**
 * All access to PostgreSQL. Every transaction names the role it acts as, because row-level security is the second
 * wall behind each WHERE: `asTenant` sees one tenant, `asSystem` is the engine. Roles and settings are SET LOCAL in the
 * message that begins the transaction, so that they cost no round trip and survive a transaction pooler. So are its limits: a transaction that runs into one (a
 * statement of 30 s, a lock that is not free within 5 s, 10 s between two statements) is rolled back by the server and
 * rejects with an error that isDatabaseAway() takes for one to try again after.
 */
export interface Database {
  asTenant<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>, limits?: TransactionLimits): Promise<T>;
  asSystem<T>(work: (transaction: Transaction) => Promise<T>, limits?: TransactionLimits): Promise<T>;
  /** NOTIFY for each [channel, payload], in one round trip and outside any transaction of ours. */
  notify(messages: readonly (readonly [string, string])[]): Promise<void>;
  /**
   * A connection of one's own for LISTEN; the caller ends it. It is asked for a sign of life every 10 s: one that can't
   * be reached any more emits "error" and "end" within 20 s.
   */
  connect(): Promise<pg.Client>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly applicationName: string;
  readonly maxConnections?: number;
  /** Told of connections lost while idle; the pool replaces them by itself. */
  readonly onIdleError?: (error: Error) => void;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_MS = 30_000;
const IDLE_MS = 10_000;
const LOCK_MS = 5_000;
/** What the server's own limits get to arrive before we take the server for gone. */
const ANSWER_MS = 5_000;
/** libuv then probes each second, ten times: a peer that is gone without a word is noticed after 20 s. */
const KEEP_ALIVE_MS = 10_000;

export function openDatabase(options: DatabaseOptions): Database {
  const connection = {
    connectionString: options.url,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    query_timeout: LOCK_MS + ANSWER_MS,
    types,
  };
  const pool = new pg.Pool({ ...connection, max: options.maxConnections ?? 10, idleTimeoutMillis: 30_000 });
  pool.on("error", (error) => options.onIdleError?.(error));
  pool.on("connect", closeInTime);
  const clients = new Set<pg.Client>();

  async function transact<T>(role: string, work: (transaction: Transaction) => Promise<T>, limits: TransactionLimits = {}): Promise<T> {
    const { statementMs = STATEMENT_MS, idleMs = IDLE_MS } = limits;
    const client = await pool.connect();
    let broken: Error | undefined;
    const onError = (error: Error) => {
      broken = error;
    };
    client.on("error", onError);
    const query = async (text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> => {
      const timed: pg.QueryConfig & { query_timeout: number } = { text, values: [...values], query_timeout: statementMs + ANSWER_MS };
      try {
        return await client.query(timed);
      } catch (error) {
        // pg gave up, the statement did not: nothing can be said on this connection any more, not even ROLLBACK.
        if (isUnanswered(error)) broken = error;
        throw error;
      }
    };
    try {
      await query(
        `BEGIN; ${role}; SET LOCAL search_path = filemill; SET LOCAL lock_timeout = ${LOCK_MS};` +
          `SET LOCAL statement_timeout = ${statementMs}; SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`,
      );
      const result = await work(transactionOn(query));
      await query("COMMIT");
      return result;
    } catch (error) {
      if (broken === undefined) {
        await query("ROLLBACK").catch((rollbackError: Error) => {
          broken = rollbackError;
        });
      }
      throw error;
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  }

  return {
    asTenant(tenantId, work, limits) {
      if (!UUID.test(tenantId)) throw new TypeError(`"${tenantId}" is not a tenant id`);
      return transact(`SET LOCAL ROLE filemill_app; SET LOCAL filemill.tenant = '${tenantId}'`, work, limits);
    },
    asSystem: (work, limits) => transact("SET LOCAL ROLE filemill_system", work, limits),
    async notify(messages) {
      const values = [messages.map(([channel]) => channel), messages.map(([, payload]) => payload)];
      await pool.query("SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS given(channel, payload)", values);
    },
    async connect() {
      const client = await openDedicated(connection);
      clients.add(client);
      client.once("end", () => clients.delete(client));
      return client;
    },
    async close() {
      await Promise.all([...clients].map((client) => client.end().catch(() => undefined)));
      await pool.end();
    },
  };
}

function isUnanswered(error: unknown): error is Error {
  return error instanceof Error && error.message === "Query read timeout";
}

function transactionOn(query: (text: string, values: readonly unknown[]) => Promise<pg.QueryResult>): Transaction {
  return {
    async query<Row>(statement: Statement) {
      const result = await query(statement.text, statement.values);
      return result.rows as Row[];
    },
    async execute(statement) {
      const result = await query(statement.text, statement.values);
      return result.rowCount ?? 0;
    },
  };
}
