import { checkJobs } from "./check-jobs.ts";
import { checkProcesses } from "./check-processes.ts";
import { checkRequests } from "./check-requests.ts";
import { checkStore } from "./check-store.ts";
import { checkUsage } from "./check-usage.ts";
import { until } from "./conditions.ts";
import type { FaultWindow } from "./fault-window.ts";
import { readLedgers } from "./ledger.ts";
import type { Poller } from "./poller.ts";
import type { Site } from "./site.ts";

export interface Verdict {
  /** Each names the check (C1 …) and the thing; empty where all is well. */
  readonly findings: readonly string[];
  /** Objects without a row: what died left them, and garbage collection removes them. */
  readonly orphans: number;
}

export interface Check {
  readonly window: FaultWindow;
  readonly poller: Poller;
  /** Deaths of the API under `npm start` that the scenario caused. */
  readonly apiKills?: number;
  readonly quietWithinMs: number;
}

/**
 * The oracle. When the faults are healed and the queue is quiet it reads what the clients wrote down, then the product
 * over HTTP, then the rows and the stored objects themselves, and says what does not fit. It shares no code with the
 * server.
 */
export async function check(site: Site, { window, poller, apiKills = 0, quietWithinMs }: Check): Promise<Verdict> {
  const findings: string[] = [];
  await until("the queue is quiet", quietWithinMs, () => isQuiet(site)).catch((error: unknown) => findings.push(`C2: ${String(error)}`));
  findings.push(...(await poller.stop()));
  const requests = await readLedgers(site.ledgerFolder);
  findings.push(...(await checkRequests(site, requests)));
  await until("the queue is quiet again", quietWithinMs, () => isQuiet(site)).catch((error: unknown) =>
    findings.push(`C2: ${String(error)}`),
  );
  findings.push(...(await checkJobs(site, requests)));
  const store = await checkStore(site);
  findings.push(...(await checkUsage(site)), ...store.findings, ...checkProcesses(site, apiKills), ...window.findings());
  console.log(`checked ${requests.length} requests; objects without a row: ${store.orphans}; findings: ${findings.length}`);
  return { findings, orphans: store.orphans };
}

async function isQuiet({ database }: Site): Promise<boolean> {
  const [row] = await database.query<{ open: number }>(`
    SELECT (SELECT count(*) FROM filemill.jobs WHERE status IN ('queued', 'running'))::int
         + (SELECT count(*) FROM filemill.tasks WHERE status IN ('ready', 'running'))::int AS open`);
  return row?.open === 0;
}
