import pino from "pino";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { sql } from "../db/sql.ts";
import { insertFiles, type StoredFile } from "../record/files.ts";
import { ReservationLost, settleReservations, type Reservation } from "./quota-reservation.ts";
import { openQuotas, type Quotas } from "./quotas.ts";
import { foldUsage, readUsage } from "./usage.ts";

const log = pino({ level: "silent" });
let clone: ClonedDatabase;
let tenantId: string;
let opened: Quotas[] = [];
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());
beforeEach(async () => {
  tenantId = await openEngine(clone.database).tenant();
});
afterEach(async () => {
  await Promise.all(opened.map((quotas) => quotas.close()));
  opened = [];
});

/** One process. */
function quotas(leaseMs?: number): Quotas {
  const made = openQuotas({ database: clone.database, log, ...(leaseMs !== undefined && { leaseMs }) });
  opened.push(made);
  return made;
}

async function limit(bytes: number | null, files: number | null): Promise<void> {
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`
      INSERT INTO tenant_quotas (tenant_id, limit_bytes, limit_files) VALUES (${tenantId}::uuid, ${bytes}, ${files})
      ON CONFLICT (tenant_id) DO UPDATE SET limit_bytes = excluded.limit_bytes, limit_files = excluded.limit_files`),
  );
}

const usage = () => clone.database.asTenant(tenantId, (transaction) => readUsage(transaction, tenantId));

function file(sizeBytes: number, origin: StoredFile["origin"] = "upload"): StoredFile {
  const content = { segments: [] };
  const sha256 = Buffer.alloc(32);
  return { id: uuidv7(), tenantId, name: "f", sizeBytes, sha256, mediaType: "text/plain", origin, metadata: {}, content };
}

/** What an upload does, its bytes apart. */
async function record(reservation: Reservation, files: readonly StoredFile[]): Promise<void> {
  await clone.database.asTenant(tenantId, async (transaction) => {
    await settleReservations(transaction, [reservation.id]);
    await insertFiles(transaction, files);
  });
  reservation.settled();
}

async function events(type: string): Promise<{ percent: number }[]> {
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query<{ data: { percent: number } }>(
      sql`SELECT data FROM events WHERE tenant_id = ${tenantId}::uuid AND type = ${type} ORDER BY id`,
    ),
  );
  return rows.map(({ data }) => data);
}

test("of 400 uploads at once through 4 processes exactly 100 get the room for 100, and no sample is above the limit", async () => {
  await limit(100_000, null);
  const processes = Array.from({ length: 4 }, () => quotas());
  let over = 0;
  let done = false;
  const sampling = (async () => {
    for (let samples = 1; ; samples++) {
      const { used, reserved } = await usage();
      if (used.bytes + reserved.bytes > 100_000) over++;
      if (done) return samples;
    }
  })();
  const outcomes = await Promise.all(
    Array.from({ length: 400 }, async (_unused, index) => {
      const reservation = await (processes[index % 4] ?? quotas()).open(tenantId);
      try {
        await reservation.expect({ bytes: 1_000, files: 1 });
        await reservation.take({ bytes: 1_000, files: 1 });
        await record(reservation, [file(1_000)]);
        return "stored";
      } catch (error) {
        return error instanceof Error && "code" in error ? error.code : error;
      } finally {
        await reservation.release();
      }
    }),
  );
  done = true;
  expect(await sampling).toBeGreaterThan(3);
  expect(over).toBe(0);
  expect(outcomes.filter((outcome) => outcome === "stored")).toHaveLength(100);
  expect(new Set(outcomes)).toEqual(new Set(["stored", "quota_exceeded"]));
  expect(await usage()).toMatchObject({ used: { bytes: 100_000, files: 100 }, reserved: { bytes: 0, files: 0 } });
});

test("a tenant without a limit reserves nothing, and is counted all the same", async () => {
  const reservation = await quotas().open(tenantId);
  await reservation.expect({ bytes: 10 ** 15, files: 10 ** 6 });
  await reservation.take({ bytes: 10 ** 15, files: 10 ** 6 });
  expect(reservation.id).toBeUndefined();
  await record(reservation, [file(7), file(5)]);
  expect((await usage()).used).toEqual({ bytes: 12, files: 2 });
});

describe("bytes of unknown number", () => {
  const MIB = 2 ** 20;
  test("take room in steps, and near the limit to the byte", async () => {
    await limit(10 * MIB, null);
    const reservation = await quotas().open(tenantId);
    for (let chunk = 0; chunk < 160; chunk++) await reservation.take({ bytes: MIB / 16, files: chunk === 0 ? 1 : 0 });
    expect((await usage()).reserved).toEqual({ bytes: 10 * MIB, files: 1 });
    await expect((async () => await reservation.take({ bytes: 1, files: 0 }))()).rejects.toMatchObject({ code: "quota_exceeded" });
    await reservation.release();
    expect((await usage()).reserved).toEqual({ bytes: 0, files: 0 });
  });

  test("take no more than can come", async () => {
    await limit(10 * MIB, null);
    const reservation = await quotas().open(tenantId);
    await reservation.expect({ bytes: 0, files: 1, mostBytes: 1_000 });
    await reservation.take({ bytes: 10, files: 1 });
    expect((await usage()).reserved.bytes).toBe(1_000);
  });
});

describe("the room of a process that died", () => {
  test("is given to who needs it once its lease has ended", async () => {
    await limit(100, null);
    const dead = openQuotas({ database: clone.database, log, leaseMs: 60 });
    const lost = await dead.open(tenantId);
    await lost.expect({ bytes: 100, files: 1 });
    await dead.close();
    const reservation = await quotas().open(tenantId);
    await expect
      .poll(
        () =>
          reservation.expect({ bytes: 100, files: 1 }).then(
            () => "taken",
            () => "refused",
          ),
        { timeout: 10_000 },
      )
      .toBe("taken");
    await expect(record(lost, [file(100)])).rejects.toThrow(ReservationLost);
    await expect(lost.again()).rejects.toMatchObject({ code: "quota_exceeded" });
    await record(reservation, [file(100)]);
    expect(await usage()).toMatchObject({ used: { bytes: 100, files: 1 }, reserved: { bytes: 0, files: 0 } });
  });

  test("stays with a process that lives, however long it takes", async () => {
    await limit(100, null);
    const slow = await quotas(90).open(tenantId);
    await slow.take({ bytes: 100, files: 1 });
    const leaseOf = async () => {
      const rows = await clone.database.asSystem((transaction) =>
        transaction.query<{ until: Date }>(sql`SELECT lease_until AS until FROM quota_reservations WHERE id = ${slow.id ?? null}::uuid`),
      );
      return rows[0]?.until.getTime() ?? 0;
    };
    const first = await leaseOf();
    await expect.poll(leaseOf, { timeout: 10_000 }).toBeGreaterThan(first + 200);
    const other = await quotas().open(tenantId);
    await expect(other.expect({ bytes: 1, files: 1 })).rejects.toMatchObject({ code: "quota_exceeded" });
    await record(slow, [file(100)]);
  });

  test("can be asked for anew where there is enough", async () => {
    await limit(100, null);
    const reservation = await quotas().open(tenantId);
    await reservation.take({ bytes: 40, files: 1 });
    await clone.database.asSystem((transaction) =>
      transaction.execute(sql`DELETE FROM quota_reservations WHERE tenant_id = ${tenantId}::uuid`),
    );
    await expect(record(reservation, [file(40)])).rejects.toThrow(ReservationLost);
    expect((await usage()).used.files).toBe(0);
    await reservation.again();
    await record(reservation, [file(40)]);
    expect((await usage()).used).toEqual({ bytes: 40, files: 1 });
  });
});

test("an upload that is released while it waits for room keeps none", async () => {
  await limit(100, null);
  const reservation = await quotas().open(tenantId);
  const waiting = reservation.expect({ bytes: 100, files: 1 });
  await reservation.release();
  await expect(waiting).rejects.toThrow(ReservationLost);
  expect((await usage()).reserved.bytes).toBe(0);
});

test("room that is held by an id of one's own can be changed, and outlives the process", async () => {
  await limit(100, null);
  const id = uuidv7();
  const until = new Date(Date.now() + 3_600_000);
  const first = openQuotas({ database: clone.database, log, leaseMs: 30 });
  await first.hold({ tenantId, id, bytes: 60, files: 1, until });
  await first.close();
  await expect(quotas().hold({ tenantId, id: uuidv7(), bytes: 41, files: 1, until })).rejects.toMatchObject({ code: "quota_exceeded" });
  await quotas().hold({ tenantId, id, bytes: 80, files: 1, until });
  expect((await usage()).reserved).toEqual({ bytes: 80, files: 1 });
  await clone.database.asTenant(tenantId, (transaction) => settleReservations(transaction, [id]));
  expect((await usage()).reserved).toEqual({ bytes: 0, files: 0 });
});

test("warnings come once for each crossing", async () => {
  await limit(null, 100);
  const here = quotas();
  const store = async (files: number) => {
    const reservation = await here.open(tenantId);
    await reservation.take({ bytes: 0, files });
    await record(
      reservation,
      Array.from({ length: files }, () => file(1)),
    );
  };
  for (const files of [79, 1, 1, 1, 13, 1]) await store(files);
  expect((await events("quota.warning")).map(({ percent }) => percent)).toEqual([80, 95]);
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE files SET status = 'deleted' WHERE tenant_id = ${tenantId}::uuid`),
  );
  await store(1);
  await store(80);
  expect((await events("quota.warning")).map(({ percent }) => percent)).toEqual([80, 95, 80]);
});

test("used is the sum over the files after anything that may become of them, while others fold", async () => {
  const counted = async () => {
    const [row] = await clone.database.asSystem((transaction) =>
      transaction.query<{ bytes: number; files: number }>(sql`
        SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes, count(*) AS files FROM files
        WHERE tenant_id = ${tenantId}::uuid AND status IN ('stored', 'quarantined') AND origin <> 'intermediate'`),
    );
    return row;
  };
  const changes = [
    sql`UPDATE files SET status = 'deleted' WHERE tenant_id = ${tenantId}::uuid AND size_bytes % 7 = 0`,
    sql`UPDATE files SET status = 'quarantined' WHERE tenant_id = ${tenantId}::uuid AND size_bytes % 5 = 0 AND status = 'stored'`,
    sql`UPDATE files SET origin = 'output' WHERE tenant_id = ${tenantId}::uuid AND size_bytes % 3 = 0`,
    sql`UPDATE files SET storage_class = 'cold' WHERE tenant_id = ${tenantId}::uuid AND size_bytes % 2 = 0`,
    sql`DELETE FROM files WHERE tenant_id = ${tenantId}::uuid AND size_bytes % 11 = 0`,
  ];
  for (let round = 0; round < 5; round++) {
    await Promise.all([
      ...Array.from({ length: 8 }, (_unused, index) =>
        clone.database.asTenant(tenantId, (transaction) =>
          insertFiles(
            transaction,
            Array.from({ length: 20 }, (_none, size) => file(size + index + 1, (["upload", "output", "intermediate"] as const)[size % 3])),
          ),
        ),
      ),
      foldUsage(clone.database),
      foldUsage(clone.database, { tenantId }),
    ]);
    const change = changes[round];
    if (change) await clone.database.asSystem((transaction) => transaction.execute(change));
    expect((await usage()).used).toEqual(await counted());
  }
  await foldUsage(clone.database);
  const { used, unfolded, byClass } = await usage();
  expect({ used, unfolded }).toEqual({ used: await counted(), unfolded: 0 });
  expect(byClass.cold.files).toBeGreaterThan(0);
});
