import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { until } from "./conditions.ts";
import { intend } from "./load-client.ts";
import { play } from "./scenario.ts";
import { amount } from "./seed.ts";

/** CHAOS_F03_UPLOADS, 200 for the full run. */
const UPLOADS = amount("CHAOS_F03_UPLOADS", 20);
const UPLOADS_A_KILL = 5;
const CLIENTS = 4;
const LEAST_BYTES = 40_000;
const MOST_BYTES = 1_500_000;

/**
 * F03. Forms are sent in pieces by several clients at once; at a random byte the API is killed, again and again. It is
 * started again by `npm start`, and the clients repeat what was cut. Nothing that was not acknowledged may be half there,
 * and every file must be what was sent.
 */
test("F03: an API killed in the middle of uploads loses and halves nothing", { timeout: 600_000 }, async () => {
  const { findings } = await play("F03", {}, async (stage) => {
    const { site, window, chance } = stage;
    const all = site.programs()[0]?.pid ?? 0;
    const intents = Array.from({ length: UPLOADS }, (_unused, index) =>
      intend(`f03-${chance.seed}-${index}`, [chance.between(1, 16_000), chance.between(LEAST_BYTES, MOST_BYTES)]),
    );
    const allBytes = intents.flatMap(({ files }) => files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const kills = Math.floor(UPLOADS / UPLOADS_A_KILL);
    const killAt = Array.from({ length: kills }, (_unused, index) => Math.floor(((index + chance.fraction()) * allBytes) / kills));
    let sent = 0;
    let killing = Promise.resolve();

    async function kill(): Promise<void> {
      const pid = await until("the API runs", 30_000, () => childOf(all, "api.ts"));
      window.open();
      stage.apiKills++;
      process.kill(pid, "SIGKILL");
      await until("the API answers again", 30_000, () =>
        fetch(`${site.url}/healthz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
      window.close();
    }

    const onPiece = (bytes: number) => {
      sent += bytes;
      while (sent >= (killAt[0] ?? Number.POSITIVE_INFINITY)) {
        killAt.shift();
        killing = killing.then(kill);
      }
    };
    const queue = intents.values();
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_unused, index) => {
        const client = await stage.client(`client-${index}`);
        for (const intent of queue) await client.submit(intent, { pieceMs: 15, onPiece });
      }),
    );
    await killing;
    expect(stage.apiKills).toBe(kills);
  });
  expect(findings).toEqual([]);
});

/** The process that has this parent and this module on its command line. */
async function childOf(parent: number, module: string): Promise<number | undefined> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) !== parent) continue;
    if ((await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).includes(module)) return Number(name);
  }
  return undefined;
}
