import { setTimeout as delay } from "node:timers/promises";
import { measure, report, type Contestant } from "../measure.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { processesOf } from "../processes.ts";

/** Start-up work, such as the first checkpoint, is over by then. */
const SETTLE_MS = 10_000;
const WINDOW_MS = 30_000;

/** CPU of all processes of `npm start` with nothing to do, as a share of one core. */
export async function idle({ rounds }: { rounds: number }): Promise<void> {
  const row = { name: "idle", unit: "% of a core", better: "lower" as const, rounds, contestants: [idling()] };
  report(row, await measure(row));
}

function idling(): Contestant {
  let platform: Platform | undefined;
  return {
    name: "API, 2 workers, database",
    async setUp() {
      platform = await startPlatform();
      await delay(SETTLE_MS);
    },
    async measure() {
      const started = performance.now();
      const before = await cpuMs();
      await delay(WINDOW_MS);
      return (((await cpuMs()) - before) / (performance.now() - started)) * 100;
    },
    takeDown: async () => platform?.close(),
  };

  async function cpuMs(): Promise<number> {
    if (platform === undefined) throw new Error("idle: setUp() was not called");
    const uses = await processesOf(platform.pid, platform.dataFolder);
    return uses.reduce((sum, use) => sum + use.cpuMs, 0);
  }
}
