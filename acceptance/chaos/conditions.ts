import { setTimeout as delay } from "node:timers/promises";

const LOOK_EVERY_MS = 25;

/** Waits until `look` gives something other than undefined or false. Rejects, naming `what`, when the time is over. */
export async function until<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(LOOK_EVERY_MS);
  }
}
