import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { UNANSWERED, watchForHang, type HangWatch } from "./hang-watch.ts";

const EVERY_MS = 100;
const clock = new Int32Array(new SharedArrayBuffer(4));
let watch: HangWatch | undefined;
afterEach(() => watch?.stop());

function start(answer: (question: number) => boolean): { asked: () => number; hung: () => number } {
  let asked = 0;
  let hung = 0;
  const own = watchForHang({
    everyMs: EVERY_MS,
    ask: () => answer(++asked) && own.answered(),
    onHang: () => (hung += 1),
  });
  watch = own;
  return { asked: () => asked, hung: () => hung };
}

test("who never answers is told of once, after so many questions", async () => {
  const { asked, hung } = start(() => false);
  await expect.poll(hung, { timeout: 10_000 }).toBe(1);
  expect(asked()).toBeGreaterThanOrEqual(UNANSWERED);
});

test("who answers now and then is never told of", async () => {
  const { asked, hung } = start((question) => question % UNANSWERED === 0);
  await expect.poll(asked, { timeout: 10_000 }).toBeGreaterThanOrEqual(3 * UNANSWERED);
  expect(hung()).toBe(0);
});

test("silence while we ourselves are held up does not count, and later silence does", async () => {
  const { asked, hung } = start(() => false);
  for (let turn = 0; turn < 2 * UNANSWERED; turn++) {
    Atomics.wait(clock, 0, 0, 2.5 * EVERY_MS);
    await nextTurn();
  }
  expect(asked()).toBeGreaterThan(UNANSWERED);
  expect(hung()).toBe(0);
  await expect.poll(hung, { timeout: 10_000 }).toBe(1);
});
