import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { counting } from "../../test/counted-rows.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { contentsIn } from "../../test/contents-in.ts";
import { createMemoryStore } from "../../test/memory-store.ts";
import { sql } from "../db/sql.ts";
import { deleteFile } from "../uploads/delete-file.ts";
import { readItemRows } from "./item-rows.ts";
import { laneBacklog } from "./queries-tasks.ts";

/** A history of others' work, one large job, and a little that is open: what is asked may cost only what it is about. */
const HISTORY = 20_000;
const LARGE = 20_000;
const LARGE_JOB = "03000000-0000-7000-8000-000000000000";
const FILE = randomUUID();
const tenant = (number: number) => `00000000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
  const admin = new pg.Client({ connectionString: clone.adminUrl });
  await admin.connect();
  await admin.query(`SET search_path = filemill; SET session_replication_role = replica;
    INSERT INTO tenants (id, name) SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 't' || n FROM generate_series(1, 10) n;
    INSERT INTO jobs (id, tenant_id, status, pipeline_name, input_items, next_ordinal)
      SELECT ('01000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ('00000000-0000-7000-8000-' || lpad(to_hex(n % 10 + 1), 12, '0'))::uuid,
        CASE WHEN n % 10 = 0 THEN 'running' ELSE 'completed' END, 'p', 8, 8 FROM generate_series(1, ${HISTORY / 8}) n;
    INSERT INTO tasks (id, tenant_id, job_id, stage, kind, status, items, item_from, item_to)
      SELECT ('02000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ('00000000-0000-7000-8000-' || lpad(to_hex((n / 8 + 1) % 10 + 1), 12, '0'))::uuid,
        ('01000000-0000-7000-8000-' || lpad(to_hex(n / 8 + 1), 12, '0'))::uuid, 0, 'map',
        CASE WHEN n < 10 THEN 'ready' WHEN n < 15 THEN 'running' ELSE 'succeeded' END, 1, n % 8, n % 8 FROM generate_series(0, ${HISTORY - 1}) n;
    INSERT INTO jobs (id, tenant_id, status, pipeline_name, input_items, next_ordinal) VALUES ('${LARGE_JOB}', '${tenant(10)}', 'running', 'p', ${LARGE}, ${LARGE});
    INSERT INTO tasks (id, tenant_id, job_id, stage, kind, status, items, item_from, item_to)
      SELECT ('03000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '${tenant(10)}', '${LARGE_JOB}', 0, 'map', 'succeeded', 1, n, n FROM generate_series(1, ${LARGE - 1}) n;
    INSERT INTO task_inputs (task_id, tenant_id, job_id, ordinals, parents, files, from_steps)
      SELECT id, tenant_id, job_id, ARRAY[item_from], ARRAY[-1], ARRAY[id], ARRAY[''] FROM tasks;
    -- One that holds the first item and the last.
    INSERT INTO tasks (id, tenant_id, job_id, stage, kind, status, items, item_from, item_to)
      VALUES ('${LARGE_JOB}', '${tenant(10)}', '${LARGE_JOB}', 1, 'map', 'waiting', 2, 0, ${LARGE - 1});
    INSERT INTO task_inputs (task_id, tenant_id, job_id, ordinals, parents, files, from_steps)
      VALUES ('${LARGE_JOB}', '${tenant(10)}', '${LARGE_JOB}', '{0, ${LARGE - 1}}', '{-1, -1}', ARRAY['${FILE}', '${FILE}']::uuid[], '{"",""}');
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin) VALUES ('${FILE}', '${tenant(1)}', 'f', 1, sha256('x'), 'text/plain', 'upload');
    -- Of task_inputs nothing is known, as after a restore or in the first minutes: what is asked may not depend on that.
    ANALYZE tenants, jobs, tasks, files`);
  await admin.end();
});
afterAll(() => clone.close());

test("the backlog of lanes costs what is open, not what ever was", async () => {
  const { database, rows } = counting(clone.database);
  expect(await laneBacklog(database)).toEqual([{ lane: "default", ready: 10, running: 5 }]);
  expect(rows()).toBeLessThan(50);
});

test("the backlog counts what waits for its next attempt", async () => {
  const before = await laneBacklog(clone.database);
  const change = (backingOff: boolean) =>
    clone.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE tasks SET backing_off = ${backingOff} WHERE status = 'ready' AND item_from < 3`),
    );
  expect(await change(true)).toBeGreaterThan(0);
  expect(await laneBacklog(clone.database)).toEqual(before);
  await change(false);
});

test.each([0, LARGE / 2, LARGE - 100])(
  "a page of items from %i on costs what a page holds, and finds a task that spans the whole job",
  async (from) => {
    const { database, rows } = counting(clone.database);
    const found = await database.asTenant(tenant(10), (transaction) =>
      readItemRows(transaction, { jobId: LARGE_JOB, from, to: from + 99 }),
    );
    expect(found.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: 100 }, (_, index) => from + index));
    const waiting = found.filter(({ status }) => status === "waiting").map(({ ordinal }) => ordinal);
    expect(waiting).toEqual([0, LARGE - 1].filter((ordinal) => ordinal >= from && ordinal < from + 100));
    expect(rows()).toBeLessThan(5_000);
  },
);

test("whether a file is needed costs what the tenant's open jobs hold", async () => {
  const { database, rows } = counting(clone.database);
  await deleteFile({ database, contents: contentsIn(createMemoryStore()) }, { tenantId: tenant(1), id: FILE, actor: "key_x" });
  expect(rows()).toBeLessThan(6_000);
});
