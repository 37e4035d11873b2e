import { expect, test } from "vitest";
import { openByteBudget, type BudgetPlace } from "./byte-budget.ts";

const never = new AbortController().signal;

/** Names in the order in which they got in. */
function asking(maxBytes: number) {
  const budget = openByteBudget(maxBytes);
  const entered: string[] = [];
  return {
    entered,
    ask(name: string, bytes: number, signal = never): BudgetPlace & { readonly done: Promise<void> } {
      const place = budget.place(signal);
      const done = place.take(bytes).then(() => void entered.push(name));
      done.catch(() => undefined);
      return { ...place, done };
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("as many as have room are in at once, the others follow in order", async () => {
  const { ask, entered } = asking(100);
  const first = ask("a", 60);
  ask("b", 40);
  ask("c", 50);
  ask("d", 1);
  await turn();
  expect(entered).toEqual(["a", "b"]);
  first.leave();
  first.leave();
  await turn();
  expect(entered).toEqual(["a", "b", "c", "d"]);
});

test("one that is larger than the budget gets in alone", async () => {
  const { ask, entered } = asking(100);
  const small = ask("small", 1);
  const large = ask("large", 1_000);
  ask("next", 1);
  await turn();
  expect(entered).toEqual(["small"]);
  small.leave();
  await turn();
  expect(entered).toEqual(["small", "large"]);
  large.leave();
  await turn();
  expect(entered).toEqual(["small", "large", "next"]);
});

test("one that gives up while it waits is in nobody's way", async () => {
  const { ask, entered } = asking(100);
  const abort = new AbortController();
  ask("a", 60);
  const gone = ask("gone", 60, abort.signal);
  ask("b", 40);
  await turn();
  expect(entered).toEqual(["a"]);
  abort.abort("drain");
  await expect(gone.done).rejects.toBe("drain");
  gone.leave();
  await turn();
  expect(entered).toEqual(["a", "b"]);
  await expect(ask("late", 1, abort.signal).done).rejects.toBe("drain");
});

test("one that grows lets nobody else in until it has gone, or shrunk again", async () => {
  const { ask, entered } = asking(100);
  const grown = ask("grown", 10);
  await turn();
  grown.grow(500);
  ask("next", 10);
  await turn();
  expect(entered).toEqual(["grown"]);
  grown.grow(-500);
  await turn();
  expect(entered).toEqual(["grown", "next"]);
  grown.grow(500);
  ask("last", 10);
  await turn();
  expect(entered).toEqual(["grown", "next"]);
  grown.leave();
  grown.leave();
  await turn();
  expect(entered).toEqual(["grown", "next", "last"]);
});
