import type { Client } from "@filemill/sdk/client.ts";
import { until } from "../chaos/conditions.ts";
import type { Chance } from "../chaos/seed.ts";
import { isAbout, measure, plainJpeg } from "./images.ts";
import { workersOf } from "./processes.ts";
import type { ThumbnailClient } from "./thumbnail-client.ts";

interface CrashRun {
  readonly client: ThumbnailClient;
  /** Of the platform itself, to count what was done. */
  readonly platform: Client;
  /** Of `npm start`. */
  readonly platformPid: number;
  readonly chance: Chance;
  readonly images: number;
  /** Of workers, while images are done. */
  readonly kills: number;
}

/** A lease ends 15 s after its worker was killed; a busy machine takes its time for the rest. */
const DONE_WITHIN_MS = 150_000;
const WORKERS_BACK_WITHIN_MS = 60_000;

/**
 * Workers are killed with -9 at random moments while images come in and are done. Resolves to what is wrong then: an image
 * that has no thumbnail, another image's, a wrong one or two, and stages that went back.
 */
export async function crashRun(run: CrashRun): Promise<string[]> {
  const { client, platform, chance, images } = run;
  const findings: string[] = [];
  const colours = Array.from({ length: images }, () => [chance.between(0, 256), chance.between(0, 256), chance.between(0, 256)] as const);
  const sizes = colours.map(() => ({ width: chance.between(600, 3_000), height: chance.between(600, 3_000) }));
  const killing = killWorkers(run);
  const followed: Promise<void>[] = [];
  const ids: string[] = [];
  for (const [index, colour] of colours.entries()) {
    const id = await client.sent("same-name.jpg", await plainJpeg(colour, sizes[index]));
    ids.push(id);
    const told = client.followed(id, { withinMs: DONE_WITHIN_MS }).then((stages) => {
      if (stages.at(-1) !== "COMPLETION STAGE") findings.push(`${id}: ${stages.join(", ")}`);
    });
    followed.push(told.catch((error: unknown) => void findings.push(String(error))));
  }
  await killing;
  await Promise.all(followed);
  if (new Set(ids).size !== images) findings.push(`${images} images have ${new Set(ids).size} ids`);
  for (const [index, id] of ids.entries()) {
    const { width, height, colourAt } = await measure(await (await client.thumbnail(id)).bytes());
    const [colour, size] = [colours[index], sizes[index]];
    if (!colour || !size || !isAbout(colourAt(0.5, 0.5), colour)) findings.push(`${id} is not the thumbnail of its image`);
    if (Math.max(width, height) !== 500) findings.push(`${id} is ${width} × ${height}`);
    const job = await platform.jobs.get(id);
    if (job.counts.succeeded !== 1 || job.output_files.length !== 1) findings.push(`${id}: ${JSON.stringify(job)}`);
  }
  return findings;
}

/** One at a time, each when all workers run again, so that every kill meets one that works. */
async function killWorkers({ platform, platformPid, chance, kills }: CrashRun): Promise<void> {
  const killed = new Set<number>();
  for (let count = 0; count < kills; count++) {
    const busy = await until("a job runs", DONE_WITHIN_MS, async () => {
      const [workers, running] = await Promise.all([workersOf(platformPid), platform.jobs.list({ status: "running", limit: 1 }).page()]);
      const fresh = workers.filter((pid) => !killed.has(pid));
      return fresh.length > 0 && running.data.length > 0 && fresh;
    });
    const victim = busy[chance.between(0, busy.length)];
    if (victim === undefined) throw new Error("There is no worker to kill.");
    killed.add(victim);
    process.kill(victim, "SIGKILL");
  }
  await until("all workers are back", WORKERS_BACK_WITHIN_MS, async () => (await workersOf(platformPid)).length >= 2);
}
