import pg from "pg";
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
 * All access to PostgreSQL. Every transaction names the role it acts as, because row-level security is the second
 * wall behind each WHERE: `asTenant` sees one tenant, `asSystem` is the engine. Roles and settings are SET LOCAL in the
 * message that begins the transaction, so that they cost no round trip and survive a transaction pooler.
 */
export interface Database {
  asTenant<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  asSystem<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** NOTIFY for each [channel, payload], in one round trip and outside any transaction of ours. */
  notify(messages: readonly (readonly [string, string])[]): Promise<void>;
  /** A connection of one's own for LISTEN; the caller ends it. */
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

export function openDatabase(options: DatabaseOptions): Database {
  const connection = {
    connectionString: options.url,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types,
  };
  const pool = new pg.Pool({ ...connection, max: options.maxConnections ?? 10, idleTimeoutMillis: 30_000 });
  pool.on("error", (error) => options.onIdleError?.(error));
  const clients = new Set<pg.Client>();

  async function transact<T>(begin: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken: Error | undefined;
    const onError = (error: Error) => {
      broken = error;
    };
    client.on("error", onError);
    try {
      await client.query(begin);
      const result = await work(transactionOn(client));
      await client.query("COMMIT");
      return result;
    } catch (error) {
      await client.query("ROLLBACK").catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      throw error;
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  }

  return {
    asTenant(tenantId, work) {
      if (!UUID.test(tenantId)) throw new TypeError(`"${tenantId}" is not a tenant id`);
      return transact(
        `BEGIN; SET LOCAL ROLE filemill_app; SET LOCAL search_path = filemill; SET LOCAL filemill.tenant = '${tenantId}'`,
        work,
      );
    },
    asSystem: (work) => transact("BEGIN; SET LOCAL ROLE filemill_system; SET LOCAL search_path = filemill", work),
    async notify(messages) {
      const values = [messages.map(([channel]) => channel), messages.map(([, payload]) => payload)];
      await pool.query("SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS given(channel, payload)", values);
    },
    async connect() {
      const client = new pg.Client(connection);
      await client.connect();
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

function transactionOn(client: pg.PoolClient): Transaction {
  return {
    async query<Row>(statement: Statement) {
      const result = await client.query(statement.text, [...statement.values]);
      return result.rows as Row[];
    },
    async execute(statement) {
      const result = await client.query(statement.text, [...statement.values]);
      return result.rowCount ?? 0;
    },
  };
}
