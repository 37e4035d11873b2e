import { until } from "../chaos/conditions.ts";
import type { Chance } from "../chaos/seed.ts";
import type { AveragesClient } from "./averages-client.ts";
import { averagesOf } from "./averages-model.ts";
import { workersOf } from "./processes.ts";

interface CrashRun {
  readonly client: AveragesClient;
  /** Of `npm start`. */
  readonly platformPid: number;
  readonly chance: Chance;
  readonly jobs: number;
  /** Of workers, while the jobs run. */
  readonly kills: number;
}

/** A lease ends 15 s after its worker was killed; a busy machine takes its time for the rest. */
const DONE_WITHIN_MS = 200_000;
const WORKERS_BACK_WITHIN_MS = 60_000;

/**
 * Workers are killed with -9 at random moments while jobs run. Resolves to what is wrong then: a job that did not complete, a
 * status or progress that went back, a result that is not exactly right.
 */
export async function crashRun(run: CrashRun): Promise<string[]> {
  const { client, chance, jobs } = run;
  const findings: string[] = [];
  const orders = await Promise.all(Array.from({ length: jobs }, () => client.order(chance.between(60, 200), chance.between(10, 2_000))));
  const followed = orders.map(({ _id }) =>
    client.followed(_id, { withinMs: DONE_WITHIN_MS }).catch((error: unknown) => void findings.push(String(error))),
  );
  let open = true;
  const ended = Promise.all(followed).finally(() => (open = false));
  await killWorkers(run, () => open);
  for (const found of await ended) {
    if (found !== undefined) findings.push(...(await check(client, found.job)));
  }
  await until("all workers are back", WORKERS_BACK_WITHIN_MS, async () => (await workersOf(run.platformPid)).length >= 2);
  return findings;
}

async function check(client: AveragesClient, job: Awaited<ReturnType<AveragesClient["job"]>>): Promise<string[]> {
  const { _id: id, status, filePaths, outputFilePath, noOfFiles } = job;
  if (status !== "Completed" || outputFilePath === null) return [`${id} is ${status}`];
  const files = await Promise.all(filePaths.map(client.text));
  const findings = files.length === noOfFiles ? [] : [`${id} has ${files.length} files, not ${noOfFiles}`];
  if ((await client.text(outputFilePath)) !== averagesOf(files)) findings.push(`${id}: the result is wrong`);
  const { body } = await client.validate(id);
  if (!(typeof body === "object" && body !== null && "isSame" in body && body.isSame === true)) {
    findings.push(`${id}: the validator says ${JSON.stringify(body)}`);
  }
  return findings;
}

/** One at a time, each at another moment of the jobs, and never the same process twice. */
async function killWorkers({ client, platformPid, chance, kills }: CrashRun, isOpen: () => boolean): Promise<void> {
  const killed = new Set<number>();
  for (let count = 0; count < kills; count++) {
    const looks = chance.between(1, 12);
    let seen = 0;
    const fresh = await until("a worker works", DONE_WITHIN_MS, async () => {
      if (!isOpen()) return [];
      // Some answers of the app later: another moment each time.
      await client.ask("GET", "/workers/metrics");
      const workers = (await workersOf(platformPid)).filter((pid) => !killed.has(pid));
      return workers.length > 0 && ++seen >= looks && workers;
    });
    const victim = fresh[chance.between(0, fresh.length)];
    if (victim === undefined) return;
    killed.add(victim);
    process.kill(victim, "SIGKILL");
  }
}
