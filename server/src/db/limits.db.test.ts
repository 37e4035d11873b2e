import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { isDatabaseAway, isLocked } from "./database-errors.ts";
import { openDatabase, type Database } from "./database.ts";
import { openDedicated } from "./dedicated-connection.ts";
import { listen } from "./notifications.ts";
import { sql } from "./sql.ts";

const TENANT = "00000000-0000-7000-8000-000000000001";

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
  await clone.database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${TENANT}, 'one')`));
});
afterAll(() => clone.close());

const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
const lockTenant = sql`SELECT id FROM tenants WHERE id = ${TENANT} FOR UPDATE`;

describe("a transaction", () => {
  test("has limits, whichever role it acts as, and may name larger ones", async () => {
    const limits = sql`SELECT current_setting('idle_in_transaction_session_timeout') AS idle,
      current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement`;
    const usual = [{ idle: "10s", lock: "5s", statement: "30s" }];
    expect(await clone.database.asSystem((transaction) => transaction.query(limits))).toEqual(usual);
    expect(await clone.database.asTenant(TENANT, (transaction) => transaction.query(limits))).toEqual(usual);
    const larger = await clone.database.asSystem((transaction) => transaction.query(limits), { statementMs: 60_000, idleMs: 3_600_000 });
    expect(larger).toEqual([{ idle: "1h", lock: "5s", statement: "1min" }]);
  });

  test("whose process stops between two statements lets go of its rows, and says that it is worth another try", async () => {
    const held = Promise.withResolvers<void>();
    const wake = Promise.withResolvers<void>();
    const stopped = clone.database.asSystem(
      async (transaction) => {
        await transaction.query(lockTenant);
        held.resolve();
        await wake.promise;
        await transaction.query(sql`SELECT 1`);
      },
      { idleMs: 300 },
    );
    const ended = caught(stopped);
    await held.promise;
    expect(await clone.database.asSystem((transaction) => transaction.query(lockTenant))).toHaveLength(1);
    wake.resolve();
    expect(isDatabaseAway(await ended)).toBe(true);
    expect(await clone.database.asSystem((transaction) => transaction.query(lockTenant))).toHaveLength(1);
  });

  test("waits 5 s for a lock, not for ever", async () => {
    const held = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    const holder = clone.database.asSystem(async (transaction) => {
      await transaction.query(lockTenant);
      held.resolve();
      await done.promise;
    });
    await held.promise;
    const error = await caught(clone.database.asSystem((transaction) => transaction.query(lockTenant)));
    done.resolve();
    await holder;
    expect([isLocked(error), isDatabaseAway(error)]).toEqual([true, true]);
  });

  test("has a statement that takes too long cancelled", async () => {
    const error = await caught(clone.database.asSystem((transaction) => transaction.query(sql`SELECT pg_sleep(60)`), { statementMs: 200 }));
    expect(isDatabaseAway(error)).toBe(true);
    expect(error).toMatchObject({ code: "57014" });
  });
});

test("a file that is missing is no trouble of the database; its socket that is missing is", () => {
  const missing = (syscall: string) => Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT", syscall });
  expect([isDatabaseAway(missing("open")), isDatabaseAway(missing("connect"))]).toEqual([false, true]);
});

/** Between us and the server: passes everything on until it is told to be silent; then connections stay open, and nothing passes. */
describe("behind a network that swallows everything", () => {
  let silent: boolean;
  let sockets: Socket[];
  let database: Database;
  let url: URL;
  let hear: () => void;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const target = new URL(clone.url);
    const far = connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true });
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes) => (silent ? hear() : to.write(bytes)));
      from.on("error", () => undefined);
      from.on("end", () => silent || to.end());
    }
  });
  beforeEach(async () => {
    silent = false;
    sockets = [];
    hear = () => undefined;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = new URL(clone.url);
    url.port = String((server.address() as AddressInfo).port);
    database = openDatabase({ url: url.href, applicationName: "behind the network" });
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });

  test("a statement gives up, and its connection is not used again", async () => {
    const unanswered = database.asSystem(
      async (transaction) => {
        silent = true;
        await transaction.query(sql`SELECT 1`);
      },
      { statementMs: 100 },
    );
    await expect(unanswered).rejects.toThrow("Query read timeout");
    expect(isDatabaseAway(await caught(unanswered))).toBe(true);
    silent = false;
    expect(await database.asSystem((transaction) => transaction.query(sql`SELECT 1 AS one`))).toEqual([{ one: 1 }]);
    await database.close();
  });

  test("closing takes no longer than a second or two", async () => {
    await database.asSystem((transaction) => transaction.query(sql`SELECT 1`));
    const up = Promise.withResolvers<void>();
    const listening = listen(database, { channels: ["a"], onNotification: () => undefined, onUp: up.resolve });
    await up.promise;
    silent = true;
    const started = performance.now();
    await listening.close();
    await database.close();
    expect(performance.now() - started).toBeLessThan(4_000);
  });

  test("a listener that was told to stop does not wait for the answer to LISTEN", async () => {
    const asked = Promise.withResolvers<void>();
    const connecting = {
      async connect() {
        const client = await database.connect();
        hear = asked.resolve;
        silent = true;
        return client;
      },
    };
    const listening = listen(connecting, { channels: ["a"], onNotification: () => undefined });
    await asked.promise;
    const started = performance.now();
    await listening.close();
    expect(performance.now() - started).toBeLessThan(4_000);
    await database.close();
  });

  test("a connection that only hears is missed when it hears nothing any more", async () => {
    const client = await openDedicated({ connectionString: url.href, query_timeout: 200 }, { probeMs: 50 });
    const broken = Promise.withResolvers<Error>();
    client.on("error", broken.resolve);
    const ended = new Promise<void>((resolve) => client.once("end", resolve));
    silent = true;
    expect(isDatabaseAway(await broken.promise)).toBe(true);
    await ended;
    await database.close();
  });
});

test("a connection of its own ends when its caller ends it", async () => {
  const client = await openDedicated({ connectionString: clone.url });
  expect(client).toBeInstanceOf(pg.Client);
  await client.end();
  await expect(client.query("SELECT 1")).rejects.toThrow("closed");
});
