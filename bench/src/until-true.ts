import { setTimeout as delay } from "node:timers/promises";

const STEP_MS = 2;

/** Resolves once `condition` holds; rejects after `timeoutMs`, naming what it waited for. */
export async function untilTrue(condition: () => Promise<boolean>, { timeoutMs = 300_000, what = "a condition" } = {}): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for ${what}`);
    await delay(STEP_MS);
  }
}
