import { expect } from "vitest";
import { checkStore } from "./check-store.ts";
import type { Verdict } from "./checker.ts";
import { childOf } from "./child-of.ts";
import { until } from "./conditions.ts";
import { intend } from "./load-client.ts";
import { play } from "./scenario.ts";

const UPLOADS_A_KILL = 5;
const CLIENTS = 4;
const LEAST_BYTES = 40_000;
const MOST_BYTES = 1_500_000;
/** A file may be cut again and again while there are kills left; how long a client is patient is not what is tested. */
const ACCEPTED_WITHIN_MS = 600_000;

/** A round comes within minutes of a start. */
const COLLECTED_WITHIN_MS = 200_000;

/**
 * F03. Forms are sent in pieces by several clients at once; at a random byte the API is killed, again and again. It is
 * started again by `npm start`, and the clients repeat what was cut. Nothing that was not acknowledged may be half there,
 * and every file must be what was sent. `collect`: also waits for garbage collection to remove what the dead had stored.
 */
export async function killedApi(uploads: number, { collect = false }: { collect?: boolean } = {}): Promise<Verdict> {
  return await play("F03", {}, async (stage) => {
    const { site, window, chance } = stage;
    const all = site.programs()[0]?.pid ?? 0;
    const intents = Array.from({ length: uploads }, (_unused, index) =>
      intend(`f03-${chance.seed}-${index}`, [chance.between(1, 16_000), chance.between(LEAST_BYTES, MOST_BYTES)]),
    );
    const allBytes = intents.flatMap(({ files }) => files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const kills = Math.floor(uploads / UPLOADS_A_KILL);
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
        for (const intent of queue) await client.submit(intent, { pieceMs: 15, onPiece, withinMs: ACCEPTED_WITHIN_MS });
      }),
    );
    await killing;
    expect(stage.apiKills).toBe(kills);
    if (!collect) return;
    await site.startApi({ FILEMILL_GARBAGE_GRACE: "1s" });
    await until("no object without a row is left", COLLECTED_WITHIN_MS, async () => (await checkStore(site)).orphans === 0);
  });
}
