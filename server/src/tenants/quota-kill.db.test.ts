import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { expectConsistent } from "../../test/failpoints/consistency.ts";
import { endProcesses, startApiProcess, type Installation } from "../../test/failpoints/processes.ts";
import { sql } from "../db/sql.ts";
import { newKeyText } from "./key-format.ts";
import { readUsage, type Usage } from "./usage.ts";

const LIMIT = 1_000_000;
const key = newKeyText();
let clone: ClonedDatabase;
let folder: string;
let at: Installation;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-quota-"));
  at = { databaseUrl: clone.url, storeFolder: join(folder, "store"), dataFolder: join(folder, "data") };
});
afterAll(async () => {
  await endProcesses();
  await clone.close();
  await rm(folder, { recursive: true, force: true });
});

async function usage(): Promise<Usage> {
  return await clone.database.asSystem(async (transaction) => {
    const [tenant] = await transaction.query<{ id: string }>(sql`SELECT id FROM tenants WHERE name = 'default'`);
    return await readUsage(transaction, tenant?.id ?? "");
  });
}

function put(port: number, bytes: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sending = request(
    { port, method: "PUT", path: "/api/v1/files/f", headers: { authorization: `Bearer ${key}`, "content-length": bytes } },
    (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    },
  );
  sending.on("error", reject);
  sending.end(Buffer.alloc(bytes, "x"));
  return promise;
}

test("the room of uploads that an API was killed in comes back, and was nobody's before", { timeout: 180_000 }, async () => {
  const first = startApiProcess(at, { key });
  const port = await first.port;
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenant_quotas (tenant_id, limit_bytes) SELECT id, ${LIMIT} FROM tenants WHERE name = 'default'`),
  );
  expect(await put(port, 100_000)).toBe(201);
  const sending = request({
    ...{ port, method: "PUT", path: "/api/v1/files/half" },
    headers: { authorization: `Bearer ${key}`, "content-length": 800_000 },
  });
  sending.on("error", () => undefined);
  sending.write(Buffer.alloc(300_000));
  await expect.poll(async () => (await usage()).reserved.bytes, { timeout: 60_000 }).toBe(800_000);
  first.signal("SIGKILL");
  await first.exited;

  const second = await startApiProcess(at, { key }).port;
  expect(await put(second, 200_000)).toBe(413);
  expect(await usage()).toMatchObject({ used: { bytes: 100_000 }, reserved: { bytes: 800_000 } });
  // Half a minute later.
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE quota_reservations SET lease_until = now() - interval '1 second'`),
  );
  expect(await put(second, 900_000)).toBe(201);
  expect(await usage()).toMatchObject({ used: { bytes: LIMIT, files: 2 }, reserved: { bytes: 0, files: 0 } });
  await endProcesses();
  await expectConsistent(clone.database, at.storeFolder);
});
