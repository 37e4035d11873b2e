import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { measure, report, type Contestant } from "../measure.ts";
import { startCelery, type Celery } from "../peers/celery/celery.ts";
import { startPlatform, type Platform } from "../platform.ts";

const SIZES = [
  { files: 1_000, columns: 10_000 },
  { files: 100, columns: 1_000 },
] as const;
type Size = (typeof SIZES)[number];

const FLOOR = fileURLToPath(new URL("../floors/averages.ts", import.meta.url));

/**
 * Averages of many files of random numbers, from the request to the stored result: generated, summed in a tree of five at a
 * time, divided. Beside one program that does the same in one thread. Every result must be the floor's, digit by digit.
 */
export async function averages({ rounds }: { rounds: number }): Promise<void> {
  const platform = await startPlatform();
  try {
    for (const size of SIZES) {
      const expected = await runFloor(size);
      const name = `averages of ${size.files.toLocaleString("en")} files of ${size.columns.toLocaleString("en")} numbers`;
      const contestants = [floor(size), filemill(platform, size, expected), celery(size)];
      const row = { name, unit: "ms", better: "lower" as const, rounds, contestants };
      report(row, await measure(row));
    }
  } finally {
    await platform.close();
  }
}

async function runFloor({ files, columns }: Size): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [FLOOR, String(files), String(columns), String(SEED)], {
    maxBuffer: 2 ** 26,
  });
  return stdout;
}

const SEED = 7;

function floor(size: Size): Contestant {
  return {
    name: "one thread, nothing durable",
    async measure() {
      const started = performance.now();
      await runFloor(size);
      return performance.now() - started;
    },
  };
}

function filemill({ client }: Platform, { files, columns }: Size, expected: string): Contestant {
  return {
    name: "Filemill",
    async measure() {
      const started = performance.now();
      const { job_id: id } = await client.jobs.submit({
        pipeline: "averages",
        source: { kind: "generate", count: files },
        params: { columns, seed: SEED },
      });
      const job = await client.jobs.finished(id);
      const took = performance.now() - started;
      const tasks = await Array.fromAsync(client.jobs.tasks(id, { limit: 1_000 }));
      const nodes = tasks.filter((task) => task.kind === "tree").length;
      if (job.status !== "completed" || nodes !== treeSize(files)) throw new Error(`averages: ${job.status} with ${nodes} tree tasks`);
      const result = job.output_files.find((file) => file.step === "mean");
      const answer = result && (await (await client.files.content(result.id)).text());
      if (answer !== expected) throw new Error("averages: the result is not the floor's");
      await client.jobs.remove(id, { outputs: "delete" });
      return took;
    },
  };
}

/** The same tree over files in a folder, which nobody makes durable; the random numbers are its own. */
function celery({ files, columns }: Size): Contestant {
  let started: Celery | undefined;
  return {
    name: "Celery on RabbitMQ, 2 workers",
    async setUp() {
      started = await startCelery({ workers: 2 });
    },
    async measure() {
      if (started === undefined) throw new Error("averages: setUp() was not called");
      const folder = await mkdtemp(join(tmpdir(), "filemill-celery-"));
      try {
        const begun = performance.now();
        const { tasks, result } = await started.averages({ folder, files, columns });
        const took = performance.now() - begun;
        if (tasks !== treeSize(files) || result.split(" ").length !== columns) throw new Error(`averages: Celery did it in ${tasks} tasks`);
        return took;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    takeDown: async () => started?.close(),
  };
}

/** Nodes of a tree of five at a time: 251 for 1,000 files. */
function treeSize(files: number): number {
  const above = Math.ceil(files / 5);
  return above === 1 ? 1 : above + treeSize(above);
}
