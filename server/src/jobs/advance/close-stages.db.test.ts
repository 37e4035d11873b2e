import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { stage, step } from "../../../test/engine/plans.ts";
import { sql } from "../../db/sql.ts";
import type { Plan } from "../plan.ts";

let clone: ClonedDatabase;
let engine: Engine;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());

/** Each stage is fed by all before it, and nothing is handed on: as many paths lead to the gather as there are subsets of the stages. */
function allFedByAll(stages: number): Plan {
  const before = (no: number) => Array.from({ length: no }, (_unused, index) => index);
  const maps = before(stages).map((no) =>
    stage(no, [step(`s${no}`, { output: false })], { feeders: before(no), takesInputs: no === 0, countKnown: no === 0 }),
  );
  const gather = { kind: "gather", feeders: before(stages), takesInputs: false, countKnown: false } as const;
  return { stages: [...maps, stage(stages, [step("g", { needs: ["s0"] })], gather)] };
}

test("a hundred stages that each hang on all before them are closed at once", { timeout: 20_000 }, async () => {
  const tenantId = await engine.tenant();
  const jobId = await engine.submit(tenantId, allFedByAll(100), await engine.files(tenantId, 1));
  await engine.drain();
  expect(await engine.rows(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`)).toEqual([{ status: "completed" }]);
  expect(await engine.rows(sql`SELECT DISTINCT status FROM job_stages WHERE job_id = ${jobId}::uuid`)).toEqual([{ status: "closed" }]);
});
