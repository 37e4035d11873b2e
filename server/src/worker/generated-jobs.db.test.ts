import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { getJob } from "../jobs/queries.ts";
import { listTasks } from "../jobs/queries-tasks.ts";
import { readLineage } from "../outputs/lineage.ts";
import { generatedId } from "../record/generated-id.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database);
  await platform.worker();
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});

describe("a job that generates its inputs, on real hosts", () => {
  it("averages files that it makes, digit by digit as one pass over them", async () => {
    const tenantId = await engine.tenant();
    const jobId = await platform.submitSource(tenantId, "averages", { kind: "generate", count: 26 });
    expect(await platform.ended(jobId, 60_000)).toBe("completed");
    const outputs = await platform.outputs(tenantId, jobId);
    const files = outputs.filter(({ step }) => step === "files").map(({ text }) => text.trim().split(" ").map(Number));
    expect(files.map((numbers) => numbers.length)).toEqual(Array.from({ length: 26 }, () => 1_000));
    const sums = files.reduce((total, numbers) => total.map((sum, place) => sum + (numbers[place] ?? 0)));
    const [mean, ...others] = outputs.filter(({ step }) => step === "mean");
    expect([mean?.name, others]).toEqual(["final.txt", []]);
    expect(mean?.text).toBe(sums.map((sum) => sum / 26).join(" "));
    const { data } = await listTasks(clone.database, { tenantId, jobId, limit: 100 });
    expect(data.filter((task) => task.kind === "tree")).toHaveLength(6 + 2 + 1);
  });

  it("gives each step the document of its item, and stores what a step hands on of them", async () => {
    const tenantId = await engine.tenant();
    const steps = { checked: { use: "file.validate", with: { accept: ["application/json"] } } };
    const jobId = await platform.submitSource(tenantId, { steps }, { kind: "generate", count: 3 });
    expect(await platform.ended(jobId, 60_000)).toBe("completed");
    const outputs = await platform.outputs(tenantId, jobId);
    expect(outputs.map(({ name, text }) => [name, JSON.parse(text)])).toEqual(
      [0, 1, 2].map((ordinal) => [`${ordinal}.json`, { ordinal, count: 3 }]),
    );
    const [row] = await engine.rows<{ id: string }>(sql`SELECT file_id AS id FROM outputs WHERE job_id = ${jobId}::uuid AND ordinal = 1`);
    const lineage = await clone.database.asTenant(tenantId, (transaction) =>
      readLineage(transaction, { fileId: row?.id ?? "", direction: "up", depth: 5, limit: 10 }),
    );
    expect(lineage?.files.map(({ id, name, origin, status }) => ({ id, name, origin, status }))).toEqual([
      { id: row?.id, name: "1.json", origin: "output", status: "stored" },
      { id: generatedId({ ordinal: 1, count: 3 }), name: "1.json", origin: "generated", status: "stored" },
    ]);
  });

  it("shows each item of a batch as it is done", async () => {
    const tenantId = await engine.tenant();
    const steps = { wait: { use: "demo.sleep", with: { ms: 400 }, batch: { items: 8 } } };
    const jobId = await platform.submitSource(tenantId, { steps }, { kind: "generate", count: 8 });
    const seen = new Set<number>();
    let last = 0;
    for (;;) {
      const job = await getJob(clone.database, { tenantId, jobId });
      expect(job.progress).toBeGreaterThanOrEqual(last);
      last = job.progress;
      const [task] = (await listTasks(clone.database, { tenantId, jobId, limit: 1 })).data;
      if (job.status === "running" && task?.status === "running") {
        seen.add(task.items_done);
        expect(job.counts).toMatchObject({ running: 8, succeeded: 0 });
      }
      if (job.status === "completed") break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // How many of the eight a busy machine lets us see is open; that it is not one jump is not.
    expect(seen.size).toBeGreaterThanOrEqual(3);
    expect(Math.max(...seen)).toBeLessThan(8);
  });
});
