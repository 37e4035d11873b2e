import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeId } from "@filemill/contract/ids.ts";
import { openDatabase, type Database } from "@filemill/server/src/db/database.ts";
import { startCluster, type BenchCluster } from "../cluster.ts";
import { measure, quantile, report, type Contestant } from "../measure.ts";
import { addTenant, LANE, submitNoop } from "../ours/noop-job.ts";
import { processUse } from "../processes.ts";

const SERVER_PROGRAM = fileURLToPath(import.meta.resolve("@filemill/server/bin/worker-once.ts"));
const COMMAND = fileURLToPath(new URL("../../../cli/bin/filemill.ts", import.meta.url));
/** No job has it. */
const ABSENT = encodeId("job", "00000000-0000-7000-8000-000000000000");

interface Place {
  readonly database: Database;
  readonly url: string;
  readonly tenantId: string;
  /** With what was compiled in it. */
  readonly dataFolder: string;
}

/** A one-job worker, from the start of its process to the line that tells which job it has claimed; beside node alone. */
export async function coldWorker({ rounds }: { rounds: number }): Promise<void> {
  const cluster = await startCluster();
  const dataFolder = await mkdtemp(join(tmpdir(), "filemill-bench-cold-"));
  const cpu = new Map<string, number[]>();
  try {
    const place = await openPlace(cluster, dataFolder);
    const node: Contestant = {
      name: "node alone",
      measure: () => untilFirstLine(["-e", "console.log(1); setTimeout(() => {}, 1e6)"], { cpu, name: "node alone" }),
    };
    const cold = (name: string, words: readonly string[], variables: Record<string, string> = {}): Contestant => ({
      name,
      async measure() {
        await submitNoop(place.database, { tenantId: place.tenantId, items: 1 });
        return await untilFirstLine(words, { cpu, name, variables: { ...variablesOf(place), ...variables } });
      },
    });
    const contestants = [
      node,
      cold("worker, claimed", [SERVER_PROGRAM]),
      cold("worker, claimed, nothing compiled before", [SERVER_PROGRAM], { NODE_DISABLE_COMPILE_CACHE: "1" }),
      cold("filemill worker --once, claimed", [COMMAND, "worker", "--once"]),
    ];
    const row = { name: "cold-worker", unit: "ms", better: "lower" as const, rounds, contestants };
    report(row, await measure(row));
    for (const [name, all] of cpu) console.log(`  ${name}: CPU time ${quantile(all, 0.5)} ms until then`);
    await place.database.close();
  } finally {
    await cluster.close();
    await rm(dataFolder, { recursive: true, force: true });
  }
}

async function openPlace(cluster: BenchCluster, dataFolder: string): Promise<Place> {
  const { url } = await cluster.ourDatabase();
  const database = openDatabase({ url, applicationName: "bench" });
  const place = { database, url, tenantId: await addTenant(database, "cold"), dataFolder };
  // A process that ends leaves what it has compiled for the next.
  for (const words of [
    [SERVER_PROGRAM, ABSENT],
    [COMMAND, "worker", "--once", ABSENT],
  ]) {
    const child = spawn(process.execPath, words, { env: { ...environment(), ...variablesOf(place) }, stdio: "ignore" });
    await once(child, "exit");
  }
  return place;
}

function variablesOf({ url, dataFolder }: Place): Record<string, string> {
  // As the command line, or a container's image, says it.
  const compiled = { NODE_COMPILE_CACHE: join(dataFolder, "compile-cache") };
  return { FILEMILL_DATABASE_URL: url, FILEMILL_DATA_DIR: dataFolder, FILEMILL_LANES: LANE, FILEMILL_LOG_LEVEL: "silent", ...compiled };
}

function environment(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "" };
}

/** It is stopped then, and gives its job back: what follows is not measured. */
async function untilFirstLine(
  words: readonly string[],
  { cpu, name, variables = {} }: { cpu: Map<string, number[]>; name: string; variables?: Record<string, string> },
): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, words, { env: { ...environment(), ...variables }, stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), exited.then(() => Promise.reject(new Error(`${name} ended without a line`)))]);
  const milliseconds = performance.now() - started;
  const own = child.exitCode === null ? (await processUse(child.pid ?? 0))?.cpuMs : undefined;
  cpu.set(name, [...(cpu.get(name) ?? []), own ?? Number.NaN]);
  child.kill("SIGTERM");
  await exited;
  return milliseconds;
}
