import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@filemill/sdk/client.ts";
import { download, sha256OfFile, uploadFromDisk } from "@filemill/sdk/disk.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPlatform, type Platform } from "./platform.ts";

const PHOTO = fileURLToPath(new URL("../samples/photos/kite.jpg", import.meta.url));
const TABLE = fileURLToPath(new URL("../samples/tables/seattle-weather.csv", import.meta.url));

let platform: Platform;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-smoke-"));
  platform = await startPlatform();
}, 90_000);

afterAll(async () => {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

test("a photo goes in, a thumbnail and a zip of it come out, and the way is told live", async () => {
  const { client } = platform;
  const accepted = await client.files.run([await uploadFromDisk(PHOTO)], {
    pipeline: {
      name: "photo-set",
      steps: {
        small: { use: "image.resize", with: { width: 100, height: 100, fit: "inside", format: "webp" } },
        all: { use: "archive.zip", needs: ["small"] },
      },
      outputs: ["small", "all"],
    },
  });
  const told: string[] = [];
  const job = await client.jobs.finished(accepted.job_id, { onEvent: (event) => void told.push(event.type) });
  expect(job).toMatchObject({ status: "completed", progress: 100, counts: { dead: 0 } });
  expect(told.filter((type) => type.startsWith("job.") && type !== "job.progress")).toEqual(["job.queued", "job.running", "job.completed"]);

  const outputs = job.output_files;
  expect(outputs.map((output) => [output.step, output.media_type]).toSorted()).toEqual([
    ["all", "application/zip"],
    ["small", "image/webp"],
  ]);
  for (const output of outputs) {
    const path = join(folder, output.step);
    await download(client, output, path);
    const content = await readFile(path);
    expect(content.length).toBe(output.size);
    expect(createHash("sha256").update(content).digest("hex")).toBe(output.sha256);
  }
});

test("what went up comes down the same, and is gone when deleted", async () => {
  const { client } = platform;
  const stored = await client.files.put(await uploadFromDisk(TABLE), { metadata: { city: "Seattle" } });
  const path = join(folder, "table.csv");
  await download(client, stored, path);
  expect((await readFile(path)).equals(await readFile(TABLE))).toBe(true);
  expect(await client.files.get(stored.id)).toMatchObject({ name: "seattle-weather.csv", metadata: { city: "Seattle" } });
  await client.files.remove(stored.id);
  expect(await client.files.get(stored.id)).toMatchObject({ status: "deleted" });
  await expect(client.files.content(stored.id)).rejects.toMatchObject({ code: "not_found", status: 404 });
});

test("bytes that are not those of the digest are refused", async () => {
  const upload = await uploadFromDisk(TABLE);
  const sha256 = await sha256OfFile(PHOTO);
  await expect(platform.client.files.put({ ...upload, sha256 })).rejects.toMatchObject({ code: "digest_mismatch", status: 400 });
  expect((await platform.client.files.put({ ...upload, sha256: await sha256OfFile(TABLE) })).name).toBe("seattle-weather.csv");
});

test("a bad item ends alone: the job fails, says why, and keeps what the others gave", async () => {
  const { client } = platform;
  const broken = { name: "broken.jpg", content: new Blob([(await readFile(PHOTO)).subarray(0, 2_000)]) };
  const accepted = await client.files.run([await uploadFromDisk(PHOTO), broken], {
    pipeline: { steps: { small: { use: "image.resize", with: { width: 50, height: 50, format: "png" } } } },
  });
  const job = await client.jobs.finished(accepted.job_id);
  expect(job).toMatchObject({ status: "failed", counts: { total: 2, succeeded: 1, dead: 1 } });
  expect(job.output_files).toHaveLength(1);
  const { data } = await client.jobs.items(job.id, { status: "dead" }).page();
  expect(data[0]?.error?.code).toBe("corrupt");
});

test("without a key nothing answers but health", async () => {
  const stranger = connect({ url: platform.url });
  await expect(stranger.files.list().page()).rejects.toMatchObject({ code: "unauthenticated", status: 401 });
  expect((await fetch(`${platform.url}/healthz`)).status).toBe(200);
});

test("a pipeline with a mistake is refused with its place and what was meant", async () => {
  const answer = await platform.client.pipelines.lint({ steps: { small: { use: "image.resise" } } });
  expect(answer.valid).toBe(false);
  expect(answer.issues).toContainEqual(
    expect.objectContaining({ pointer: "/steps/small/use", suggestion: expect.stringContaining("image.resize") }),
  );
});
