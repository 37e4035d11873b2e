import { freePort } from "@filemill/sdk/local-platform.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { amount, chance } from "../chaos/seed.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { filingsClient } from "./filings-client.ts";
import { crashRun } from "./filings-crash.ts";

/** FILINGS_CRASH_RUNS=20 is the long form. */
const RUNS = amount("FILINGS_CRASH_RUNS", 3);

let platform: Platform;
let app: AppProcess;
let registryUrl: string;
let workerMetricsUrl: string;

beforeAll(async () => {
  const [registryPort, metricsPort] = [await freePort(), await freePort()];
  registryUrl = `http://127.0.0.1:${registryPort}`;
  workerMetricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  platform = await startPlatform({ FILEMILL_FETCH_ALLOW: `127.0.0.1:${registryPort}` });
  app = await startApp("filings", {
    ...{ FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key },
    ...{ WORKER_METRICS_PORT: String(metricsPort), REGISTRY_PORT: String(registryPort) },
    ...{ REGISTRY_DELAY_MS: "200", REGISTRY_SLOW_MS: "1500", REGISTRY_LIE_RATE: "0.03", REGISTRY_SCAN_RATE: "0.03" },
  });
});

afterAll(async () => {
  await app?.stop();
  await platform?.stop();
});

test.each(Array.from({ length: RUNS }, (_none, index) => index + 1))(
  "run %i: killed workers lose and double no document, and records are right",
  async () => {
    const client = filingsClient(app.url);
    const at = { client, registryUrl, workerMetricsUrl, platformPid: platform.pid };
    expect(await crashRun({ ...at, chance: chance("filings"), jobs: 4, kills: 6 })).toEqual([]);
  },
);
