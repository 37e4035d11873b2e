import { afterAll, beforeAll, expect, test } from "vitest";
import { chance } from "../chaos/seed.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { averagesClient } from "./averages-client.ts";
import { crashRun } from "./averages-crash.ts";

const RUNS = 20;

let platform: Platform;
let app: AppProcess;

beforeAll(async () => {
  platform = await startPlatform();
  app = await startApp("averages", { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key });
});

afterAll(async () => {
  await app?.stop();
  await platform?.stop();
});

test.each(Array.from({ length: RUNS }, (_none, index) => index + 1))(
  "run %i: killed workers lose nothing, and results are exact",
  async () => {
    const client = averagesClient(app.url);
    const findings = await crashRun({ client, platformPid: platform.pid, chance: chance("averages"), jobs: 4, kills: 8 });
    expect(findings).toEqual([]);
  },
);
