import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { measure, report, type Contestant } from "../measure.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { processesOf, processUse } from "../processes.ts";

const MIB = 1024 * 1024;
const SIZE_MIB = 1024;
const SAMPLE_MS = 50;

/** 1 GiB through the API, beside what disk, digest and cipher alone can do; and by how much the API's memory grew. */
export async function oneGib({ rounds }: { rounds: number }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-gib-"));
  const platform = await startPlatform();
  const growth: number[] = [];
  const watched = async (work: () => Promise<void>): Promise<number> => {
    const sampler = await sampleMemory(platform, growth);
    const started = performance.now();
    await work();
    const speed = SIZE_MIB / ((performance.now() - started) / 1000);
    await sampler.stop();
    return speed;
  };
  try {
    const contestants: Contestant[] = [
      timed("floor: write and fsync", () => writeFloor(join(folder, "floor"))),
      timed("floor: sha256", digestFloor),
      timed("floor: AES-256-GCM", cipherFloor),
      { name: "upload", measure: () => watched(() => upload(platform)) },
      { name: "download", measure: () => watched(() => download(platform)) },
    ];
    const row = { name: "one-gib", unit: "MiB/s", better: "higher" as const, rounds, contestants };
    report(row, await measure({ ...row, contestants }));
    console.log(`  API memory grew by at most ${(Math.max(...growth) / MIB).toFixed(0)} MiB`);
  } finally {
    await platform.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function timed(name: string, work: () => Promise<void>): Contestant {
  return {
    name,
    async measure() {
      const started = performance.now();
      await work();
      return SIZE_MIB / ((performance.now() - started) / 1000);
    },
  };
}

/** The same random MiB again and again, numbered, so that no two are equal. */
function content(): Readable {
  const block = randomBytes(MIB);
  return Readable.from(
    (function* () {
      for (let no = 0; no < SIZE_MIB; no++) {
        const numbered = Buffer.from(block);
        numbered.writeUInt32LE(no);
        yield numbered;
      }
    })(),
    { objectMode: false },
  );
}

async function writeFloor(path: string): Promise<void> {
  await pipeline(content(), createWriteStream(path));
  const file = await open(path, "r+");
  await file.sync();
  await file.close();
  await rm(path);
}

async function digestFloor(): Promise<void> {
  await pipeline(content(), createHash("sha256"));
}

async function cipherFloor(): Promise<void> {
  const cipher = createCipheriv("aes-256-gcm", randomBytes(32), randomBytes(12));
  for await (const chunk of content())
    for (let start = 0; start < MIB; start += 65_536) cipher.update(chunk.subarray(start, start + 65_536));
  cipher.final();
}

async function upload({ url, key }: Platform): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, "content-length": SIZE_MIB * MIB, "content-type": "application/octet-stream" };
  const sent = request(`${url}/api/v1/files/one-gib.bin`, { method: "PUT", headers });
  const answered = once(sent, "response");
  await pipeline(content(), sent);
  const [answer] = await answered;
  answer.resume();
  if (answer.statusCode !== 201) throw new Error(`PUT of 1 GiB answered ${answer.statusCode}`);
}

/** The newest file; every round has uploaded one by then, or this one does. */
async function download(platform: Platform): Promise<void> {
  const newest = await newestFile(platform);
  const answer = await platform.client.files.content(newest);
  let bytes = 0;
  for await (const chunk of answer.body ?? []) bytes += chunk.byteLength;
  if (bytes !== SIZE_MIB * MIB) throw new Error(`GET of 1 GiB gave ${bytes} bytes`);
}

async function newestFile(platform: Platform): Promise<string> {
  for await (const file of platform.client.files.list()) return file.id;
  await upload(platform);
  return newestFile(platform);
}

/** Looks at the API alone: to read every process of the machine each time would take the cores from those that are measured. */
async function sampleMemory(platform: Platform, growth: number[]): Promise<{ stop: () => Promise<void> }> {
  const uses = await processesOf(platform.pid, platform.dataFolder);
  const api = uses.find((use) => use.command.includes("bin/api.ts"));
  if (api === undefined) throw new Error("The platform runs no API");
  const resident = async () => (await processUse(api.pid))?.residentBytes ?? 0;
  const before = api.residentBytes;
  let stopped = false;
  const sampling = (async () => {
    let most = before;
    while (!stopped) {
      most = Math.max(most, await resident());
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
    growth.push(most - before);
  })();
  return {
    async stop() {
      stopped = true;
      await sampling;
    },
  };
}
