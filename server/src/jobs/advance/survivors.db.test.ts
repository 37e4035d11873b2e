import { afterAll, beforeAll, expect, test } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { sql } from "../../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { emitted, failed, openEngine, type Engine } from "../../../test/engine/engine.ts";
import { toyCatalogue } from "../../../test/toy-catalogue.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import { planPipeline } from "../plan-pipeline.ts";

// A reduce runs over the items that are left. It must not wait for places that nobody will fill, wherever above it an
// item left the pipeline.

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  tenantId = await engine.tenant();
});
afterAll(() => clone.close());

/** Runs a planned pipeline over seven inputs, of which item 2 leaves at step `a` and item 4 at step `b`, by `leave`. */
async function run(steps: PipelineDocument["steps"], leave: "skipped" | "passed by") {
  const plan = planPipeline({ steps }, {}, toyCatalogue());
  const jobId = await engine.submit(tenantId, plan, await engine.files(tenantId, 7));
  const reduced: ClaimedTask[] = [];
  await engine.drain((task) => {
    const name = plan.stages[task.stage]?.steps[0]?.name ?? "";
    if (task.kind !== "map") reduced.push(task);
    if (task.kind !== "map") return { type: "done", results: [emitted(name)] };
    const leaves = (ordinal: number) => ordinal === { a: 2, b: 4 }[name];
    return {
      type: "done",
      results: task.entries.map(({ ordinal }) =>
        !leaves(ordinal) ? emitted(name) : leave === "skipped" ? failed({ class: "bad_input", step: name }) : emitted(name, 0),
      ),
    };
  });
  const [job] = await engine.rows<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`);
  const leaves = reduced.filter((task) => task.tree === undefined || task.tree.level === 1).flatMap((task) => task.entries);
  return {
    status: job?.status,
    leaves: leaves.length,
    results: reduced.filter((task) => task.tree === undefined || task.tree.root).length,
  };
}

const right = { status: "completed", leaves: 5, results: 1 };

test.each(["toy.sum", "toy.pack"])("%s runs over the survivors of skips, one stage above it and two", async (use) => {
  const steps = {
    a: { use: "toy.pass", on_error: "skip" as const },
    b: { use: "toy.pass", needs: ["a"], on_error: "skip" as const, batch: { items: 2 } },
    r: { use, needs: ["b"], fan_in: 3 },
  };
  expect(await run(steps, "skipped")).toEqual(right);
});

test.each(["toy.sum", "toy.pack"])("%s runs over what no `when` let pass by, one stage above it and two", async (use) => {
  const when = { media_type: ["text/*"] };
  const steps = {
    a: { use: "toy.pass", when },
    b: { use: "toy.pass", needs: ["a"], when, batch: { items: 2 } },
    r: { use, needs: ["b"], fan_in: 3 },
  };
  expect(await run(steps, "passed by")).toEqual(right);
});
