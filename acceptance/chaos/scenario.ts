import { onTestFinished } from "vitest";
import { check, type Verdict } from "./checker.ts";
import { openFaultWindow, type FaultWindow } from "./fault-window.ts";
import { openLoadClient, type LoadClient } from "./load-client.ts";
import { startPoller, type Poller } from "./poller.ts";
import { chance, type Chance } from "./seed.ts";
import { startSite, type Site, type SiteOptions } from "./site.ts";

const STOPPED_WITHIN_MS = 60_000;
const QUIET_WITHIN_MS = 60_000;
const QUIET_AFTER_FAILURE_MS = 15_000;

/** What every scenario has: the product, a fault window, a reader that looks all the time, and clients with ledgers. */
export interface Stage {
  readonly site: Site;
  readonly window: FaultWindow;
  readonly poller: Poller;
  readonly chance: Chance;
  client(name: string): Promise<LoadClient>;
  /** Done when the oracle has spoken and the product is stopped. */
  atEnd(close: () => Promise<void>): void;
  /** Deaths of the API under `npm start` that the scenario causes; to be counted up. */
  apiKills: number;
}

/** Runs a scenario on a product of its own, then asks the oracle. What `act` rejects with is a finding too. */
export async function play(name: string, options: SiteOptions, act: (stage: Stage) => Promise<void>): Promise<Verdict> {
  const seeded = chance(name);
  const site = await startSite(options);
  // Also where the test's time is over and nobody waits for us any more.
  onTestFinished(() => site.stop(), STOPPED_WITHIN_MS);
  const window = openFaultWindow();
  const poller = startPoller(site, window);
  const clients: LoadClient[] = [];
  const closes: (() => Promise<void>)[] = [];
  const stage: Stage = {
    site,
    window,
    poller,
    chance: seeded,
    apiKills: 0,
    atEnd: (close) => void closes.push(close),
    async client(clientName) {
      const client = await openLoadClient(site, clientName, window);
      clients.push(client);
      return client;
    },
  };
  try {
    // Where the scenario itself does not see what it must, the oracle is asked all the same: it says what has become of the data.
    const own = await act(stage).then(
      () => [],
      (error: unknown) => [`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`],
    );
    const quietWithinMs = own.length > 0 ? QUIET_AFTER_FAILURE_MS : QUIET_WITHIN_MS;
    const verdict = await check(site, { window, poller, apiKills: stage.apiKills, quietWithinMs });
    const findings = [...own, ...verdict.findings];
    if (findings.length > 0) console.log(tails(site));
    return { ...verdict, findings };
  } finally {
    await poller.stop();
    for (const client of clients) await client.close();
    await site.stop();
    for (const close of closes) await close();
  }
}

function tails(site: Site): string {
  return site
    .programs()
    .map((program) => `--- ${program.name}\n${program.log().slice(-3_000)}`)
    .join("\n");
}
