import { expect, test } from "vitest";
import { openSlots } from "./slots.ts";

const never = () => new AbortController().signal;

/** Names in the order in which they got their slots. */
function watch() {
  const entered: string[] = [];
  const enter = (name: string, taken: Promise<boolean>) => taken.then((got) => void (got && entered.push(name)));
  return { entered, enter };
}

test("who needs many slots waits for them and is not overtaken by those who need few", async () => {
  const slots = openSlots(4);
  const { entered, enter } = watch();
  await slots.take(never());
  const heavy = enter("heavy", slots.take(never(), 4));
  const light = enter("light", slots.take(never(), 1));
  await Promise.resolve();
  expect(entered).toEqual([]);
  slots.free();
  await heavy;
  expect(entered).toEqual(["heavy"]);
  slots.free(4);
  await light;
  expect(entered).toEqual(["heavy", "light"]);
});

test("who needs more than there are gets all", async () => {
  const slots = openSlots(2);
  expect(await slots.take(never(), 64)).toBe(true);
  const { entered, enter } = watch();
  const next = enter("next", slots.take(never()));
  await Promise.resolve();
  expect(entered).toEqual([]);
  slots.free(64);
  await next;
  slots.free();
  await slots.whenAllFree();
});

test("who gives up waiting lets those behind it through", async () => {
  const slots = openSlots(2);
  await slots.take(never());
  const giveUp = new AbortController();
  const heavy = slots.take(giveUp.signal, 2);
  const light = slots.take(never());
  giveUp.abort();
  expect(await heavy).toBe(false);
  expect(await light).toBe(true);
  slots.free();
  slots.free();
  await slots.whenAllFree();
});
