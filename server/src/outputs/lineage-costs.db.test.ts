import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { counting } from "../../test/counted-rows.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { readLineage } from "./lineage.ts";

/** Maps of one file each, and reduces of ten of what these made, of two tenants; nothing is known of the tables yet. */
const MAPS = 40_000;
const ID = (kind: string, number: string) => `('${kind}000000-0000-7000-8000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;
const TENANT = "00000000-0000-7000-8000-000000000001";

let clone: ClonedDatabase;
let admin: pg.Client;
beforeAll(async () => {
  clone = await cloneDatabase();
  admin = new pg.Client({ connectionString: clone.adminUrl });
  await admin.connect();
  await admin.query(`SET search_path = filemill; SET session_replication_role = replica;
    INSERT INTO tenants (id, name) SELECT ${ID("00", "n")}, 't' || n FROM generate_series(1, 2) n;
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
      SELECT id, ${ID("00", "n % 2 + 1")}, 'f', 1, sha256('x'), 'text/plain', 'output'
      FROM generate_series(1, ${MAPS}) n, LATERAL (VALUES (${ID("01", "n")}), (${ID("02", "n")}), (${ID("03", "n")})) AS given(id);
    INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs)
      SELECT ${ID("04", "n / 100")}, n, 's', 0, ${ID("00", "n % 2 + 1")}, ${ID("05", "n")}, 1, ${ID("02", "n")}, 'p', '1', true, ARRAY[${ID("01", "n")}]
      FROM generate_series(1, ${MAPS}) n;
    INSERT INTO task_inputs (task_id, tenant_id, job_id, ordinals, parents, files, from_steps, reduce)
      SELECT ${ID("06", "n")}, ${ID("00", "n % 2 + 1")}, ${ID("04", "n")}, '{}', '{}', array_agg(${ID("02", "n * 20 + 2 * i + n % 2")}), '{}', true
      FROM generate_series(1, ${MAPS / 20 - 1}) n, generate_series(0, 9) i GROUP BY n;
    INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs)
      SELECT job_id, 0, 'all', 0, tenant_id, task_id, 1, ('03' || substr(task_id::text, 3))::uuid, 'p', '1', true, '{}' FROM task_inputs`);
});
afterAll(async () => {
  await admin.end();
  await clone.close();
});

const lineageOf = async (fileId: string) => {
  const { database, rows } = counting(clone.database);
  const lineage = await database.asTenant(TENANT, (transaction) =>
    readLineage(transaction, { fileId, direction: "both", depth: 10, limit: 1_000 }),
  );
  return { steps: lineage?.edges.map((edge) => `${edge.step} of ${edge.inputs.length}`), rows: rows() };
};
const id = (kind: string, number: number) => `${kind}000000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;

test.each([
  ["an original", id("01", 2_002), ["s of 1", "all of 1"]],
  ["what lies between", id("02", 2_002), ["s of 1", "all of 1"]],
  ["a result", id("03", 100), ["all of 10", ...Array.from({ length: 10 }, () => "s of 1")]],
])("the history of %s costs what it holds, not what ever was", async (_what, fileId, steps) => {
  const found = await lineageOf(fileId);
  expect(found.steps).toEqual(steps);
  expect(found.rows).toBeLessThan(150);
});

test("which reduces took a file is answered by the index over theirs", async () => {
  await admin.query("SET ROLE filemill_owner; SET filemill.tenant = '00000000-0000-7000-8000-000000000001'");
  const { rows } = await admin.query<{ body: string; settings: string[] }>(
    "SELECT prosrc AS body, proconfig AS settings FROM pg_proc WHERE proname = 'reduces_of'",
  );
  expect(rows[0]?.settings).toContain("enable_seqscan=off");
  await admin.query("SET enable_seqscan = off");
  const body = (rows[0]?.body ?? "").replaceAll(/\bgiven\b/g, `ARRAY['${id("02", 2_002)}']::uuid[]`).replaceAll(/\bmost\b/g, "1000");
  const plan = await admin.query(`EXPLAIN (FORMAT TEXT) ${body}`);
  await admin.query("RESET ROLE");
  expect(JSON.stringify(plan.rows)).toContain("Bitmap Index Scan on task_inputs_of_reduces");
});
