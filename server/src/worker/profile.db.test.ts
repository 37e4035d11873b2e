import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import { acceptJob } from "../jobs/accept-job.ts";
import { getJob } from "../jobs/queries.ts";
import { listProfiles } from "../jobs/queries-profiles.ts";
import { readManifests } from "../outputs/content.ts";

/** The format that browsers' developer tools and speedscope read. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly hitCount: number;
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

let clone: ClonedDatabase;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
  tenantId = await openEngine(clone.database).tenant();
  await platform.worker();
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});

async function run(pipeline: PipelineDocument, { files, profile }: { files: readonly string[]; profile: boolean }): Promise<string> {
  const { answer } = await acceptJob(
    { database: clone.database, catalogue: platform.catalogue },
    { tenantId, actor: "key_test", idempotencyKey: undefined, pipeline, params: {}, inputs: files, profile },
  );
  const jobId = decodeId("job", answer.job_id) ?? "";
  expect(await platform.ended(jobId, 60_000)).toBe("completed");
  return jobId;
}

async function contentOf(fileId: string): Promise<CpuProfile> {
  const id = decodeId("file", fileId) ?? "";
  const [manifest] = await clone.database.asTenant(tenantId, (transaction) => readManifests(transaction, tenantId, [id]));
  if (!manifest) throw new Error("a profile has no file");
  const chunks = await (await platform.contents.read(manifest)).toArray();
  return JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as CpuProfile;
}

/** What its readers take for granted. */
function expectWellFormed(profile: CpuProfile): void {
  const ids = new Set(profile.nodes.map((node) => node.id));
  expect(ids.size).toBe(profile.nodes.length);
  expect(profile.nodes[0]?.callFrame.functionName).toBe("(root)");
  const children = profile.nodes.flatMap((node) => node.children ?? []);
  expect(new Set(children).size).toBe(children.length);
  expect(children.every((id) => ids.has(id))).toBe(true);
  expect(children).toHaveLength(profile.nodes.length - 1);
  expect(profile.samples).toHaveLength(profile.timeDeltas.length);
  expect(profile.samples.every((id) => ids.has(id))).toBe(true);
  const elapsed = profile.timeDeltas.reduce((sum, delta) => sum + delta, 0);
  expect(elapsed).toBeGreaterThan(0);
  expect(profile.startTime + elapsed).toBeLessThanOrEqual(profile.endTime);
}

describe("a job that is profiled", () => {
  const numbers = (index: number) => Array.from({ length: 40_000 }, (_unused, place) => index + place).join(" ");
  const pipeline: PipelineDocument = { steps: { sum: { use: "numbers.sum", fan_in: 2 } } };

  test("keeps a profile of each task, in which the processor's functions are", async () => {
    const ids = await Promise.all([1, 2, 3].map((index) => platform.put(tenantId, `${index}.txt`, numbers(index))));
    const files = ids.map((id) => encodeId("file", id));
    const jobId = await run(pipeline, { files, profile: true });
    const profiles = await listProfiles(clone.database, { tenantId, jobId });
    // Three leaves in pairs, then one node over these.
    expect(profiles.map(({ name, steps, cut }) => [name, steps, cut])).toEqual([
      ["tree-0-0-1.cpuprofile", ["sum"], false],
      ["tree-0-0-2.cpuprofile", ["sum"], false],
      ["tree-0-1-1.cpuprofile", ["sum"], false],
    ]);
    const seen = new Set<string>();
    for (const profile of profiles) {
      const content = await contentOf(profile.id);
      expectWellFormed(content);
      expect(profile.wall_ms).toBeGreaterThan(0);
      expect(profile.cpu_ms).toBeGreaterThan(0);
      for (const { callFrame } of content.nodes) seen.add(callFrame.url);
    }
    expect([...seen].filter((url) => url.includes("processors/numbers"))).not.toEqual([]);
    expect([...seen].filter((url) => url.startsWith("file:"))).toEqual([]);
    // It is no output of the pipeline.
    const job = await getJob(clone.database, { tenantId, jobId });
    expect(job.output_files.map(({ step }) => step)).toEqual(["sum"]);
  });

  test("another job records none, and the flag makes it another request", async () => {
    const files = [encodeId("file", await platform.put(tenantId, "1.txt", "1 2 3"))];
    const jobId = await run(pipeline, { files, profile: false });
    expect(await listProfiles(clone.database, { tenantId, jobId })).toEqual([]);
  });

  test("a tenant sees no profiles of another's job", async () => {
    const files = [encodeId("file", await platform.put(tenantId, "1.txt", "1 2 3"))];
    const jobId = await run(pipeline, { files, profile: true });
    expect(await listProfiles(clone.database, { tenantId, jobId })).toHaveLength(1);
    const other = await openEngine(clone.database).tenant();
    await expect(listProfiles(clone.database, { tenantId: other, jobId })).rejects.toMatchObject({ code: "not_found" });
  });
});
