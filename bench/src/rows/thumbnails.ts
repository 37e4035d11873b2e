import { openAsBlob } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { measure, report, type Contestant } from "../measure.ts";
import { startCelery, type Celery } from "../peers/celery/celery.ts";
import { startPlatform, type Platform } from "../platform.ts";

const PHOTOS = 200;
/** Noise takes longer to make than to scale down; each photo is used this often. */
const USES = 10;
const SIZE = { width: 1500, height: 1000 };
const THUMBNAIL = { width: 200, height: 200, fit: "inside", format: "webp" } as const;
const AT_ONCE = 2;
const PHOTOS_A_JOB = 20;

/** Photos made into thumbnails a second: upload, processing and stored results, beside the codec alone. */
export async function thumbnails({ rounds }: { rounds: number }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-photos-"));
  try {
    const photos = await makePhotos(folder);
    const row = {
      name: "thumbnails",
      unit: "photos/s",
      better: "higher" as const,
      rounds,
      contestants: [alone(photos, folder), platform(photos), celery(photos, folder)],
    };
    report(row, await measure(row));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Blurred noise in three colours: about as much work to decode as a photo, and each differs. */
async function makePhotos(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (let no = 0; no < PHOTOS / USES; no++) {
    const path = join(folder, `photo-${no}.jpg`);
    const noise = { type: "gaussian" as const, mean: 90 + (no % 80), sigma: 50 };
    await sharp({ create: { ...SIZE, channels: 3, background: "white", noise } })
      .blur(1.2)
      .jpeg({ quality: 88 })
      .toFile(path);
    paths.push(path);
  }
  return Array.from({ length: USES }, () => paths).flat();
}

function alone(photos: readonly string[], folder: string): Contestant {
  return {
    name: `sharp alone, ${AT_ONCE} in flight`,
    setUp: () => Promise.resolve(void sharp.cache(false)),
    async measure() {
      const started = performance.now();
      const { width, height, fit } = THUMBNAIL;
      await inParallel(photos, AT_ONCE, async (photo, no) => {
        await sharp(photo)
          .rotate()
          .resize({ width, height, fit })
          .webp()
          .toFile(join(folder, `alone-${no}.webp`));
      });
      return PHOTOS / ((performance.now() - started) / 1000);
    },
  };
}

function platform(photos: readonly string[]): Contestant {
  let started: Platform | undefined;
  return {
    name: `Filemill, ${AT_ONCE} workers`,
    async setUp() {
      started = await startPlatform({ FILEMILL_WORKERS: String(AT_ONCE) });
    },
    async measure() {
      if (started === undefined) throw new Error("thumbnails: setUp() was not called");
      const { client } = started;
      const begun = performance.now();
      const jobs = Array.from({ length: PHOTOS / PHOTOS_A_JOB }, (_, no) => photos.slice(no * PHOTOS_A_JOB, (no + 1) * PHOTOS_A_JOB));
      await inParallel(jobs, AT_ONCE * 2, async (paths) => {
        const uploads = await Promise.all(
          paths.map(async (path) => ({ name: path.split("/").at(-1) ?? path, content: await openAsBlob(path) })),
        );
        const job = await client.files.run(uploads, { pipeline: { steps: { small: { use: "image.resize", with: THUMBNAIL } } } });
        const ended = await client.jobs.finished(job.job_id);
        if (ended.status !== "completed") throw new Error(`A job of thumbnails ended as ${ended.status}`);
      });
      return PHOTOS / ((performance.now() - begun) / 1000);
    },
    takeDown: async () => started?.close(),
  };
}

/** From files on disk to files on disk: nothing is uploaded, recorded or stored durably. */
function celery(photos: readonly string[], folder: string): Contestant {
  let started: Celery | undefined;
  return {
    name: `Celery on RabbitMQ with Pillow, ${AT_ONCE} workers, no upload`,
    async setUp() {
      started = await startCelery({ workers: AT_ONCE });
    },
    async measure() {
      if (started === undefined) throw new Error("thumbnails: setUp() was not called");
      const pairs = photos.map((photo, no) => [photo, join(folder, `celery-${no}.webp`)] as const);
      const begun = performance.now();
      await started.thumbnails(pairs, THUMBNAIL.width);
      return PHOTOS / ((performance.now() - begun) / 1000);
    },
    takeDown: async () => started?.close(),
  };
}

async function inParallel<T>(values: readonly T[], atOnce: number, work: (value: T, index: number) => Promise<void>): Promise<void> {
  const entries = values.entries();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const [index, value] of entries) await work(value, index);
    }),
  );
}
