import { afterAll, beforeAll, expect, test } from "vitest";
import { chance } from "../chaos/seed.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { thumbnailClient } from "./thumbnail-client.ts";
import { crashRun } from "./thumbnails-crash.ts";

const RUNS = 20;

let platform: Platform;
let app: AppProcess;

beforeAll(async () => {
  platform = await startPlatform();
  app = await startApp("thumbnails", { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key });
});

afterAll(async () => {
  await app?.stop();
  await platform?.stop();
});

test.each(Array.from({ length: RUNS }, (_none, index) => index + 1))("run %i: killed workers lose, double and spoil no image", async () => {
  const client = thumbnailClient(app.url);
  const seeded = chance("thumbnails");
  const findings = await crashRun({ client, platform: platform.client, platformPid: platform.pid, chance: seeded, images: 60, kills: 8 });
  expect(findings).toEqual([]);
});
