import { expect, test } from "vitest";
import { intend, stamping } from "./load-client.ts";
import { play, type Stage } from "./scenario.ts";
import { amount } from "./seed.ts";
import { openTcpProxy } from "./tcp-proxy.ts";

/** CHAOS_F10_TRIES of each kind; 500 nightly. */
const TRIES = amount("CHAOS_F10_TRIES", 30);
const COMMIT = Buffer.from("COMMIT\0");

test("F10: connections cut after COMMIT was sent, to the database and to the client, make no duplicate", { timeout: 600_000 }, async () => {
  const { findings } = await play("F10", {}, async (stage) => {
    await betweenApiAndDatabase(stage);
    await betweenClientAndApi(stage);
    await stage.site.startWorker();
  });
  expect(findings).toEqual([]);
});

/** The COMMIT goes out; the connection is cut at once, or when the database has answered and before the API hears it. */
async function betweenApiAndDatabase({ site, window, chance, client }: Stage): Promise<void> {
  let mode: "off" | "at once" | "after the answer" = "off";
  let cuts = 0;
  const committing = new WeakSet<object>();
  const proxy = await openTcpProxy({
    targetPort: site.database.port,
    onRequest(chunk, link) {
      if (mode === "off" || !chunk.includes(COMMIT)) return "pass";
      if (mode === "after the answer") committing.add(link);
      else {
        cuts++;
        mode = "off";
        // Behind the write of this chunk: a reset could overtake it.
        setTimeout(() => link.cut(), 5);
      }
      return "pass";
    },
    onAnswer(_chunk, link) {
      if (!committing.has(link)) return "pass";
      committing.delete(link);
      cuts++;
      mode = "off";
      link.cut();
      return "drop";
    },
  });
  try {
    const api = await site.startApi({ FILEMILL_DATABASE_URL: site.database.appUrl(proxy.port) });
    const load = await client("database");
    window.open();
    for (let index = 0; index < TRIES; index++) {
      mode = chance.fraction() < 0.5 ? "at once" : "after the answer";
      const pipeline = index % 3 === 0 ? { pipeline: stamping(0) } : {};
      await load.submit(intend(`f10-database-${chance.seed}-${index}`, [chance.between(1, 40_000)], pipeline), { url: () => api.url });
    }
    window.close(1_000);
    // Other transactions of the API (reading events, authentication) are cut now and then instead.
    expect(cuts).toBeGreaterThan(TRIES / 2);
    console.log(`F10: ${cuts} connections to the database cut in ${TRIES} tries`);
    mode = "off";
    api.program.signal("SIGTERM");
    await api.program.ended;
  } finally {
    await proxy.close();
  }
}

/** The API has done it and says so; the client's connection is cut before the first byte arrives. */
async function betweenClientAndApi({ site, window, chance, client }: Stage): Promise<void> {
  let isArmed = false;
  let cuts = 0;
  const proxy = await openTcpProxy({
    targetPort: Number(new URL(site.url).port),
    onAnswer(_chunk, link) {
      if (!isArmed) return "pass";
      isArmed = false;
      cuts++;
      link.cut();
      return "drop";
    },
  });
  try {
    const load = await client("client");
    window.open();
    for (let index = 0; index < TRIES; index++) {
      isArmed = true;
      const pipeline = index % 3 === 0 ? { pipeline: stamping(0) } : {};
      await load.submit(intend(`f10-client-${chance.seed}-${index}`, [chance.between(1, 40_000)], pipeline), {
        url: () => `http://127.0.0.1:${proxy.port}`,
      });
    }
    window.close();
    expect(cuts).toBe(TRIES);
  } finally {
    await proxy.close();
  }
}
