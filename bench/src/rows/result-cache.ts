import type { Client } from "@filemill/sdk/client.ts";
import type { Upload } from "@filemill/sdk/upload.ts";
import sharp from "sharp";
import { measure, report, type Contestant } from "../measure.ts";
import { startPlatform, type Platform } from "../platform.ts";

const PHOTOS = 40;
const PHOTOS_A_JOB = 20;
/** Noise takes long to make; behind its end, each photo gets a number, so that no two are the same. */
const MADE = 8;
const SIZE = { width: 1500, height: 1000 };
const THUMBNAIL = { width: 200, height: 200, fit: "inside", format: "webp" } as const;

/** Thumbnails a second, from stored photos: where no step asks for earlier results, where there are none, where all are there. */
export async function resultCache({ rounds }: { rounds: number }): Promise<void> {
  let platform: Platform | undefined;
  const newPhotos = numberedPhotos(await Promise.all(Array.from({ length: MADE }, (_unused, no) => makePhoto(no))));
  const send = async (): Promise<string[]> => (await clientOf(platform).files.putMany(newPhotos())).map((file) => file.id);
  const contestant = (name: string, cache: boolean, prepare: (files: readonly string[]) => Promise<unknown>): Contestant => ({
    name,
    async measure() {
      const files = await send();
      await prepare(files);
      const begun = performance.now();
      await makeThumbnails(clientOf(platform), files, cache);
      return PHOTOS / ((performance.now() - begun) / 1000);
    },
  });
  const row = {
    name: "result-cache",
    unit: "photos/s",
    better: "higher" as const,
    rounds,
    contestants: [
      contestant("no step asks", false, () => Promise.resolve()),
      contestant("asks, and finds nothing", true, () => Promise.resolve()),
      contestant("asks, and finds all", true, (files) => makeThumbnails(clientOf(platform), files, true)),
    ],
  };
  try {
    platform = await startPlatform({ FILEMILL_WORKERS: "2" });
    report(row, await measure(row));
  } finally {
    await platform?.close();
  }
}

function clientOf(platform: Platform | undefined): Client {
  if (platform === undefined) throw new Error("result-cache: the platform was not started");
  return platform.client;
}

async function makePhoto(no: number): Promise<Buffer> {
  const noise = { type: "gaussian" as const, mean: 90 + no, sigma: 50 };
  return await sharp({ create: { ...SIZE, channels: 3, background: "white", noise } })
    .blur(1.2)
    .jpeg({ quality: 88 })
    .toBuffer();
}

function numberedPhotos(made: readonly Buffer[]): () => Upload[] {
  let number = 0;
  return () =>
    Array.from({ length: PHOTOS }, (_unused, no) => {
      const photo = made[no % made.length] ?? Buffer.alloc(0);
      return { name: `photo-${no}.jpg`, content: new Blob([new Uint8Array(photo), String(number++)]) };
    });
}

async function makeThumbnails(client: Client, files: readonly string[], cache: boolean): Promise<void> {
  const pipeline = { steps: { small: { use: "image.resize", with: THUMBNAIL, cache } } };
  const jobs: string[] = [];
  for (let from = 0; from < files.length; from += PHOTOS_A_JOB) {
    jobs.push((await client.jobs.submit({ pipeline, inputs: files.slice(from, from + PHOTOS_A_JOB) })).job_id);
  }
  for (const job of jobs) {
    const ended = await client.jobs.finished(job);
    if (ended.status !== "completed") throw new Error(`A job of thumbnails ended as ${ended.status}`);
  }
}
