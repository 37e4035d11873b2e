import { fileURLToPath } from "node:url";
import { measure, report, type Contestant } from "../measure.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { processesOf } from "../processes.ts";
import { untilTrue } from "../until-true.ts";

/** Long enough that the task is still running when its worker dies. */
const SLEEP_MS = 2_000;

/** From SIGKILL of the workers to the second start of the task that one of them ran. The job must then complete. */
export async function recovery({ rounds }: { rounds: number }): Promise<void> {
  const row = { name: "recovery", unit: "s", better: "lower" as const, rounds, contestants: [killed()] };
  report(row, await measure(row));
}

function killed(): Contestant {
  let platform: Platform | undefined;
  return {
    name: "Filemill, default lease",
    async setUp() {
      platform = await startPlatform({
        FILEMILL_EXTRA_PROCESSORS: fileURLToPath(import.meta.resolve("@filemill/server/test/processors/demo.ts")),
      });
    },
    async measure() {
      if (platform === undefined) throw new Error("recovery: setUp() was not called");
      const { client, pid, dataFolder } = platform;
      const upload = { name: "sleep.txt", content: new Blob(["zzz"]) };
      const job = await client.files.run([upload], { pipeline: { steps: { nap: { use: "demo.sleep", with: { ms: SLEEP_MS } } } } });
      const epochRunning = async (epoch: number) => {
        for await (const task of client.jobs.tasks(job.job_id)) if (task.epoch >= epoch && task.status !== "ready") return true;
        return false;
      };
      await untilTrue(() => epochRunning(1), { what: "the task to run" });
      const workers = (await processesOf(pid, dataFolder)).filter((use) => use.command.includes("bin/worker.ts"));
      const started = performance.now();
      for (const worker of workers) process.kill(worker.pid, "SIGKILL");
      await untilTrue(() => epochRunning(2), { what: "the task to run again", timeoutMs: 120_000 });
      const seconds = (performance.now() - started) / 1000;
      const ended = await client.jobs.finished(job.job_id);
      if (ended.status !== "completed") throw new Error(`The job ended as ${ended.status} after its worker was killed`);
      return seconds;
    },
    takeDown: async () => platform?.close(),
  };
}
