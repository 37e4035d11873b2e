import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@filemill/sdk/client.ts";
import { uploadResumable } from "@filemill/sdk/disk-resumable.ts";
import { memoryIn } from "@filemill/sdk/upload-memory.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contentOf, sha256 } from "../chaos/content.ts";
import { until } from "../chaos/conditions.ts";
import { startSite, type Site } from "../chaos/site.ts";
import { openTcpProxy } from "../chaos/tcp-proxy.ts";
import { openCuttingProxy } from "./cutting-proxy.ts";

const CLI = fileURLToPath(new URL("../../cli/bin/filemill.ts", import.meta.url));
const SIZE = 3_000_000;

let site: Site;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-resumable-"));
  site = await startSite();
}, 120_000);
afterAll(async () => {
  await site?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function newFile(name: string): Promise<{ path: string; content: Buffer }> {
  const content = contentOf(name, SIZE);
  const path = join(folder, name);
  await writeFile(path, content);
  return { path, content };
}

test("the SDK goes on by itself where its connection is cut, and runs a pipeline over the file", async () => {
  const { path, content } = await newFile("sdk.bin");
  const proxy = await openCuttingProxy(site.url, [500_000, 900_000, 300_000]);
  const client = connect({ url: proxy.url, key: site.key });
  const sent: number[] = [];
  const { file, jobId } = await uploadResumable(client, path, {
    memory: memoryIn(join(folder, "memory")),
    metadata: { from: "sdk" },
    pipeline: { name: "resumed", steps: { checked: { use: "file.validate" } } },
    onSent: (bytes) => sent.push(bytes),
  });
  expect(proxy.left()).toBe(0);
  await proxy.close();
  expect(file).toMatchObject({ name: "sdk.bin", size: SIZE, sha256: sha256(content), metadata: { from: "sdk" } });
  expect(await connect({ url: site.url, key: site.key }).jobs.get(jobId ?? "")).toMatchObject({ pipeline: { name: "resumed" } });
  expect(sent.at(-1)).toBe(SIZE);
});

test("an upload that is gone is begun anew, and an empty file is one too", async () => {
  const client = connect({ url: site.url, key: site.key });
  const begun = "/api/v1/uploads/upl_00000000000000000000000000";
  const anew = await client.files.uploadResumable({ name: "anew.txt", content: new Blob(["anew"]) }, { begun });
  expect(anew.file).toMatchObject({ name: "anew.txt", size: 4 });
  const empty = await client.files.uploadResumable({ name: "empty", content: new Blob([]) });
  expect(empty.file).toMatchObject({ size: 0 });
});

test("what can't get better is not tried again", async () => {
  const client = connect({ url: site.url, key: site.key });
  const refused = client.files.uploadResumable({ name: "a.txt", content: new Blob(["a"]) }, { pipeline: "no-such-pipeline" });
  await expect(refused).rejects.toMatchObject({ code: "not_found" });
});

test("`files put --resume` goes on in a second run with what the first had sent when it was killed", { timeout: 180_000 }, async () => {
  const { path, content } = await newFile("cli.bin");
  let passed = 0;
  const slow = await openTcpProxy({
    targetPort: Number(new URL(site.url).port),
    onRequest(chunk) {
      if (passed > 1_500_000) return "hold";
      passed += chunk.length;
      return "pass";
    },
  });
  const first = filemill(`http://127.0.0.1:${slow.port}`, path);
  await until(`the first run has sent half: ${first.errors()}`, 60_000, () => passed > 1_500_000);
  first.child.kill("SIGKILL");
  await first.ended;
  await slow.close();
  let second = 0;
  const counted = await openTcpProxy({
    targetPort: Number(new URL(site.url).port),
    onRequest(chunk) {
      second += chunk.length;
      return "pass";
    },
  });
  const again = filemill(`http://127.0.0.1:${counted.port}`, path);
  expect(await again.ended, again.errors()).toBe(0);
  await counted.close();
  expect(JSON.parse(again.output())).toMatchObject({ files: [{ name: "cli.bin", size: SIZE, sha256: sha256(content) }] });
  expect(second).toBeLessThan(SIZE - 1_000_000);
});

function filemill(url: string, path: string) {
  const child = spawn(process.execPath, [CLI, "files", "put", "--resume", "--json", path], {
    env: { PATH: process.env.PATH, FILEMILL_URL: url, FILEMILL_KEY: site.key, XDG_CACHE_HOME: join(folder, "cache") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = once(child, "exit").then(([code]: (number | null)[]) => code);
  return { child, ended, output: () => output, errors: () => errors };
}
