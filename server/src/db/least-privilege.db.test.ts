import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { readManifests } from "../outputs/content.ts";
import { sql, type Statement } from "./sql.ts";

const MINE = randomUUID();
const OTHER = randomUUID();
const FILE = randomUUID();

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
  await clone.database.asSystem(async (transaction) => {
    await transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${MINE}, 'mine'), (${OTHER}, 'other')`);
    await transaction.execute(sql`
      INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin) VALUES (${FILE}, ${OTHER}, 'f', 1, sha256('x'), 'text/plain', 'upload')`);
    await transaction.execute(sql`INSERT INTO inline_objects (file_id, tenant_id, content) VALUES (${FILE}, ${OTHER}, 'x')`);
  });
});
afterAll(() => clone.close());

const asMine = (statement: Statement) => clone.database.asTenant(MINE, (transaction) => transaction.execute(statement));

describe("what serves a tenant can't change", () => {
  const NO = sql`FALSE`;
  test.each<[string, Statement]>([
    ["what a key may do", sql`UPDATE api_keys SET role = 'operator' WHERE ${NO}`],
    ["the secret of a key", sql`UPDATE api_keys SET secret_sha256 = secret_sha256 WHERE ${NO}`],
    ["whether there was a key", sql`DELETE FROM api_keys WHERE ${NO}`],
    ["which object a file's bytes are", sql`UPDATE segments SET object_key = object_key WHERE ${NO}`],
    ["the bytes of a small file", sql`UPDATE inline_objects SET content = content WHERE ${NO}`],
    ["the hash of a file", sql`UPDATE files SET sha256 = sha256 WHERE ${NO}`],
    ["a version of a pipeline", sql`UPDATE pipelines SET document = document WHERE ${NO}`],
    ["what was asked", sql`UPDATE job_specs SET plan = plan WHERE ${NO}`],
    ["what was answered", sql`UPDATE idempotency_keys SET answer = answer WHERE ${NO}`],
    ["which file an output is", sql`UPDATE outputs SET file_id = file_id WHERE ${NO}`],
    ["what is left of a job that was deleted", sql`UPDATE deleted_jobs SET steps = steps WHERE ${NO}`],
    ["which result stands for another", sql`INSERT INTO cached_results SELECT * FROM cached_results WHERE ${NO}`],
    ["what happened", sql`UPDATE events SET data = data WHERE ${NO}`],
    ["who did what", sql`DELETE FROM audit_entries WHERE ${NO}`],
    ["how much it uses", sql`UPDATE usage_totals SET bytes = 0 WHERE ${NO}`],
    ["what it was counted for", sql`DELETE FROM usage_changes WHERE ${NO}`],
    ["how much it may use", sql`UPDATE tenant_quotas SET limit_bytes = NULL WHERE ${NO}`],
    ["how many triggered jobs lie behind each other", sql`UPDATE triggered_jobs SET depth = 1 WHERE ${NO}`],
    ["whether a job still waits for another", sql`UPDATE job_waits SET settled_at = now() WHERE ${NO}`],
    ["in which class a file lies", sql`UPDATE files SET storage_class = storage_class WHERE ${NO}`],
  ])("%s", async (_what, statement) => {
    await expect(asMine(statement)).rejects.toMatchObject({ code: "42501" });
  });
});

test("no row of a tenant names an object of another", async () => {
  const own = randomUUID();
  await asMine(sql`
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin) VALUES (${own}, ${MINE}, 'f', 1, sha256('x'), 'text/plain', 'upload')`);
  const segment = (key: string) =>
    asMine(
      sql`INSERT INTO segments (file_id, ordinal, tenant_id, store, object_key, size_bytes) VALUES (${own}, 0, ${MINE}, 'disk', ${key}, 1)`,
    );
  await expect(segment(`${OTHER}/${FILE}/0/0`)).rejects.toMatchObject({ code: "23514" });
  expect(await segment(`${MINE}/${own}/0/0`)).toBe(1);
});

test("content that a tenant puts under another's file is not read as that file's", async () => {
  await asMine(sql`
    INSERT INTO segments (file_id, ordinal, tenant_id, store, object_key, size_bytes) VALUES (${FILE}, 0, ${MINE}, 'disk', ${`${MINE}/${FILE}/0/0`}, 1)`);
  const [manifest] = await clone.database.asSystem((transaction) => readManifests(transaction, OTHER, [FILE]));
  expect(manifest).toMatchObject({ segments: [], inline: Buffer.from("x") });
});

test("tables whose rows change often are vacuumed and counted long before a fifth of them is dead", async () => {
  const set = await clone.database.asSystem((transaction) =>
    transaction.query<{ name: string }>(sql`
      SELECT relname AS name FROM pg_class, pg_options_to_table(reloptions) AS option
      WHERE relnamespace = 'filemill'::regnamespace AND option_name = 'autovacuum_vacuum_scale_factor' AND option_value::float8 <= 0.02 ORDER BY 1`),
  );
  expect(set.map(({ name }) => name)).toEqual([
    "arrived_files",
    "job_dependencies",
    "job_stages",
    "jobs",
    "schedules",
    "source_items",
    "task_inputs",
    "tasks",
    "tree_nodes",
    "usage_changes",
  ]);
});
