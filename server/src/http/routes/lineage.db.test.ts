import { randomUUID } from "node:crypto";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import { LineageAnswer } from "@filemill/contract/lineage.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { recordOutputs } from "../../outputs/record.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
});
afterAll(() => app.close());

async function put(name: string): Promise<string> {
  const [file] = (await answerOf(await tenant.fetch(`/files/${name}`, { method: "PUT", body: name }))).files;
  return file?.id ?? "";
}

async function submit(input: string, steps: Record<string, unknown>): Promise<string> {
  const body = JSON.stringify({ pipeline: { name: "set", steps }, inputs: [input] });
  const answer = await answerOf(await tenant.fetch("/jobs", { method: "POST", body, headers: { "content-type": "application/json" } }));
  return answer.job_id;
}

const uuid = (kind: "file" | "job", id: string) => decodeId(kind, id) ?? "";

async function made(
  job: string,
  step: string,
  { input, output, reusedFrom = null }: { input: string; output: string; reusedFrom?: string | null },
) {
  const row = { ordinal: 0, part: 0, tenantId: tenant.id, taskId: randomUUID(), epoch: 1, processor: "text.stats", processorVersion: "1" };
  const files = { fileId: uuid("file", output), inputs: [uuid("file", input)], reusedFrom: reusedFrom && uuid("file", reusedFrom) };
  await app.cloned.database.asSystem((transaction) =>
    recordOutputs(transaction, [{ ...row, ...files, jobId: uuid("job", job), step, kept: true }]),
  );
}

const lineage = async (id: string, query = "") => LineageAnswer.parse(await (await tenant.fetch(`/files/${id}/lineage${query}`)).json());

test("tells the steps between a file and what it was made from, with versions and the hash of their parameters", async () => {
  const [input, output] = [await put("in.txt"), await put("out.json")];
  const job = await submit(input, { ok: { use: "file.validate" }, stats: { use: "text.stats", needs: ["ok"], with: { language: false } } });
  await made(job, "stats", { input, output, reusedFrom: output });
  const answer = await lineage(output, "?direction=up");
  expect(answer).toMatchObject({ file_id: output, truncated: false });
  expect(answer.files.map(({ id, name, status }) => [id, name, status])).toEqual([
    [output, "out.json", "stored"],
    [input, "in.txt", "stored"],
  ]);
  expect(answer.edges).toEqual([
    {
      ...{ job_id: job, job_deleted: false, pipeline: "set", item: 0, inputs: [input], inputs_total: 1, output },
      ...{ passed: false, cached: true, reused_from: output },
      steps: [
        { step: "ok", processor: "file.validate", version: "1", parameters_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        { step: "stats", processor: "text.stats", version: "1", parameters_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ],
    },
  ]);
  const again = await submit(input, { stats: { use: "text.stats", with: { language: false } } });
  await made(again, "stats", { input, output });
  const hashes = new Set((await lineage(output)).edges.map((edge) => edge.steps.at(-1)?.parameters_sha256));
  expect(hashes.size).toBe(1);
  expect((await lineage(input, "?direction=up")).edges).toEqual([]);
  expect((await lineage(input, "?direction=down&limit=1")).truncated).toBe(true);
});

test("of a job that is gone without a trace, the step is all that is told", async () => {
  const [input, output] = [await put("in.txt"), await put("out.json")];
  await made(encodeId("job", randomUUID()), "stats", { input, output });
  expect((await lineage(output)).edges).toMatchObject([
    { job_deleted: true, pipeline: null, steps: [{ step: "stats", processor: "text.stats", version: "1", parameters_sha256: null }] },
  ]);
});

test("a foreign file answers as one that is not there, a bad question as such", async () => {
  const id = await put("in.txt");
  const stranger = await app.tenant();
  const answers = [await stranger.fetch(`/files/${id}/lineage`), await stranger.fetch(`/files/${encodeId("file", randomUUID())}/lineage`)];
  expect(answers.map((answer) => answer.status)).toEqual([404, 404]);
  expect((await tenant.fetch("/files/nonsense/lineage")).status).toBe(404);
  for (const query of ["?depth=0", "?depth=101", "?limit=5001", "?direction=left", "?cursor=x"]) {
    expect((await tenant.fetch(`/files/${id}/lineage${query}`)).status, query).toBe(400);
  }
  const reader = await tenant.keyWithRole("read-only");
  const read = await fetch(`${app.url}/api/v1/files/${id}/lineage`, { headers: { authorization: `Bearer ${reader}` } });
  expect(read.status).toBe(200);
});
