import pg from "pg";
import { pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { appendEvents } from "../record/events.ts";
import { replayEvents, type StoredEvent } from "./read-events.ts";
import { EVENTS_CHANNEL } from "../record/events.ts";
import { createEventReader } from "./reader.ts";

let cloned: ClonedDatabase;
const log = pino({ level: "silent" });
const tenantId = uuidv7();

beforeAll(async () => {
  cloned = await cloneDatabase();
});

afterAll(async () => {
  await cloned.close();
});

function append(jobId: string, number: number, tenant = tenantId) {
  return cloned.database.asSystem((transaction) =>
    appendEvents(transaction, [{ tenantId: tenant, jobId, type: "item.dead", data: { number } }]),
  );
}

const numbersOf = (events: readonly StoredEvent[]) => events.map((event) => Number(event.data["number"]));

test("every event arrives exactly once, whatever order transactions commit in", async () => {
  const { database } = cloned;
  const reader = createEventReader({ database, log, listen: false });
  const jobId = uuidv7();
  const seen: number[] = [];
  const subscription = await reader.subscribe({ tenantId, jobId }, ({ events }) => seen.push(...numbersOf(events)));
  const writers = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = new pg.Client({ connectionString: cloned.adminUrl });
      await client.connect();
      return client;
    }),
  );
  const written: number[] = [];
  try {
    await Promise.all(
      writers.map(async (client, writer) => {
        for (let round = 0; round < 40; round++) {
          await client.query("BEGIN; SET LOCAL search_path = filemill");
          for (let part = 0; part < 2; part++) {
            const number = writer * 1_000 + round * 2 + part;
            await client.query(`INSERT INTO events (tenant_id, job_id, type, data) VALUES ($1, $2, 'item.dead', $3)`, [
              tenantId,
              jobId,
              { number },
            ]);
            // Takes the other writers past this one: ids and commits come in different orders.
            await client.query("SELECT pg_sleep($1)", [((writer * 7 + round * 3) % 5) / 1_000]);
            if (round % 10 !== 9) written.push(number);
          }
          await client.query(round % 10 === 9 ? "ROLLBACK" : "COMMIT");
          reader.wake();
        }
      }),
    );
    await vi.waitFor(() => expect(seen.length).toBe(written.length), { timeout: 10_000, interval: 20 });
    expect(seen.toSorted((a, b) => a - b)).toEqual(written.toSorted((a, b) => a - b));
  } finally {
    subscription.end();
    await Promise.all(writers.map((client) => client.end()));
    await reader.close();
  }
});

test("a transaction that stays open holds up nobody, and its own event comes when it commits", async () => {
  const reader = createEventReader({ database: cloned.database, log, listen: false });
  const jobId = uuidv7();
  const seen: number[] = [];
  const subscription = await reader.subscribe({ tenantId, jobId }, ({ events }) => seen.push(...numbersOf(events)));
  const slow = new pg.Client({ connectionString: cloned.adminUrl });
  await slow.connect();
  try {
    await slow.query("BEGIN; SET LOCAL search_path = filemill");
    await slow.query(`INSERT INTO events (tenant_id, job_id, type, data) VALUES ($1, $2, 'item.dead', '{"number":1}')`, [tenantId, jobId]);
    await append(jobId, 2);
    await vi.waitFor(() => expect(seen).toEqual([2]), { timeout: 5_000 });
    await append(jobId, 3);
    await vi.waitFor(() => expect(seen).toEqual([2, 3]), { timeout: 5_000 });
    await slow.query("COMMIT");
    await vi.waitFor(() => expect(seen).toEqual([2, 3, 1]), { timeout: 5_000 });
  } finally {
    await slow.end();
    subscription.end();
    await reader.close();
  }
});

test("history and present meet without a gap and without a double, from any place on", async () => {
  const { database } = cloned;
  const reader = createEventReader({ database, log, listen: false });
  const jobId = uuidv7();
  const places = [];
  const ends: (() => void)[] = [];
  for (let number = 0; number < 5; number++) {
    const seen: number[] = [];
    const subscription = await reader.subscribe({ tenantId, jobId }, ({ events }) => seen.push(...numbersOf(events)));
    ends.push(subscription.end);
    places.push({ number, from: subscription.from, seen });
    await append(jobId, number);
  }
  const last = await reader.subscribe({ tenantId, jobId }, () => undefined);
  try {
    for (const { number, seen } of places) {
      // What was written just before a subscription may be told to it: the reader had not read it yet.
      await vi.waitFor(() => expect(seen.slice(-5 + number)).toEqual([0, 1, 2, 3, 4].slice(number)), { timeout: 5_000 });
    }
    const now = (await reader.subscribe({ tenantId, jobId }, () => undefined)).from;
    for (const { from, seen } of places) {
      const replayed = [];
      for await (const { events } of replayEvents(database, { tenantId, jobId, from, to: now })) replayed.push(...numbersOf(events));
      expect(replayed).toEqual(seen);
    }
  } finally {
    last.end();
    for (const end of ends) end();
    await reader.close();
  }
});

test("nobody is told of another tenant's events, not even of the same job id", async () => {
  const reader = createEventReader({ database: cloned.database, log, listen: false });
  const jobId = uuidv7();
  const seen: number[] = [];
  const whole = await reader.subscribe({ tenantId, jobId: undefined }, ({ events }) => seen.push(...numbersOf(events)));
  await append(jobId, 1, uuidv7());
  await append(jobId, 2);
  await vi.waitFor(() => expect(seen).toEqual([2]), { timeout: 5_000 });
  whole.end();
  await reader.close();
});

test("the reader listens while somebody watches, and its connection goes with the last listener", async () => {
  const reader = createEventReader({ database: cloned.database, log, listen: true });
  const admin = new pg.Client({ connectionString: cloned.adminUrl });
  await admin.connect();
  const listening = async () => {
    const query = "SELECT FROM pg_stat_activity WHERE query = $1 AND datname = current_database()";
    return (await admin.query(query, [`LISTEN "${EVENTS_CHANNEL}"`])).rowCount;
  };
  const subscription = await reader.subscribe({ tenantId, jobId: uuidv7() }, () => undefined);
  try {
    await vi.waitFor(async () => expect(await listening()).toBe(1), { timeout: 5_000 });
    subscription.end();
    await vi.waitFor(async () => expect(await listening()).toBe(0), { timeout: 5_000 });
  } finally {
    await admin.end();
    await reader.close();
  }
});
