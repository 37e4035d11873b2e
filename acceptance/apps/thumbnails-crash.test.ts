import { expect, onTestFinished, test } from "vitest";
import { chance } from "../chaos/seed.ts";
import { startPlatform } from "../platform.ts";
import { startApp } from "./app-process.ts";
import { thumbnailClient } from "./thumbnail-client.ts";
import { crashRun } from "./thumbnails-crash.ts";

/** The longer form, over many seeds, is nightly. */
test("workers killed in the middle lose no image, and do none twice or wrongly", { timeout: 300_000 }, async () => {
  const platform = await startPlatform();
  onTestFinished(() => platform.stop(), 60_000);
  const app = await startApp("thumbnails", { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key });
  onTestFinished(() => void app.stop(), 60_000);
  const client = thumbnailClient(app.url);
  const seeded = chance("thumbnails");
  const findings = await crashRun({ client, platform: platform.client, platformPid: platform.pid, chance: seeded, images: 10, kills: 2 });
  expect(findings).toEqual([]);
});
